import type { Camera } from "../api/types.ts";
import { counter, since } from "../words/time.ts";
import { useNow } from "./useNow.ts";

/** What a recording waits for while nothing comes. */
export function waitingFor(camera: Camera): string {
  if (moves(camera)) return "Another node takes over";
  return camera.node_there === false ? "Waiting for its node" : "Waiting for the camera";
}

/** Whether its recorder is lost and another is about to go on. */
export function moves(camera: Camera): boolean {
  return camera.recording?.state === "moving";
}

/** REC, with `clock` also for how long, as in a viewfinder; a camera that sends nothing is waited for. */
export function RecordingChip({ camera, clock = false }: { camera: Camera; clock?: boolean }) {
  const elapsed_s = since(camera.recording?.started_at, useNow(clock));
  if (camera.state !== "online" || moves(camera)) {
    return (
      <span className="chip chip-mode" data-testid="rec">
        {waitingFor(camera)}
      </span>
    );
  }
  return (
    <span className="chip chip-rec" data-testid="rec">
      <span className="rec-dot" aria-hidden="true" />
      REC{clock && elapsed_s !== null && <span className="number"> {counter(elapsed_s)}</span>}
    </span>
  );
}
