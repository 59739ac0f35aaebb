/** The button, as on a camera: round, red, and a square in it while it records. */
import { api } from "../../api/routes.ts";
import type { Camera } from "../../api/types.ts";
import { to } from "../../app/router.ts";
import { moves, waitingFor } from "../../ui/RecordingChip.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";
import { useNow } from "../../ui/useNow.ts";
import { counter, inWords, since } from "../../words/time.ts";

const LITTLE_TIME_S = 15 * 60;

export function RecordButton({ camera, allowed, onChanged }: { camera: Camera; allowed: boolean; onChanged: () => void }) {
  const { recording } = camera;
  const { busy, error, run } = useAction();
  const say = useSay();
  const comes = camera.state === "online";
  const elapsed_s = since(recording?.started_at, useNow(recording !== null));
  const lost = recording === null && camera.node_there === false;

  const press = (): void =>
    void run(async () => {
      if (recording === null) {
        await api.startRecording(camera.id);
      } else {
        const { take } = await api.stopRecording(camera.id);
        const id = typeof take === "string" ? take : take.id;
        say("The take is kept.", { label: "Open", act: () => (window.location.hash = to.asset(id)) });
      }
      onChanged();
    });

  return (
    <div className="record">
      <button
        type="button"
        className="record-button"
        data-recording={recording !== null}
        aria-label={recording === null ? "Start recording" : "Stop recording"}
        disabled={busy || !allowed || lost}
        aria-busy={busy}
        onClick={press}
      >
        <span aria-hidden="true" />
      </button>
      <div className="record-words">
        <p className="record-time number" data-testid="elapsed" data-on={recording !== null}>
          {recording === null ? "00:00:00" : elapsed_s === null || !comes ? "–" : counter(elapsed_s)}
        </p>
        <p className="hint">
          {allowed ? told(camera, busy) : "Operators and admins can record."}
        </p>
        {comes && recording?.seconds_left !== null && (recording?.seconds_left ?? Infinity) < LITTLE_TIME_S && (
          <p className="field-error">The disk is nearly full. Free some space, or add a node.</p>
        )}
        {error !== null && (
          <p className="field-error" role="alert">
            {error}
          </p>
        )}
      </div>
    </div>
  );
}

/** What the button does now, or waits for. */
function told(camera: Camera, busy: boolean): string {
  const { recording } = camera;
  if (recording === null) {
    if (busy) return "Starting…";
    if (camera.node_there === false) return "Its node does not answer.";
    return camera.state === "online" ? "Ready to record" : "Records as soon as a picture comes";
  }
  if (busy) return "Stopping; the last second is being kept…";
  if (camera.state !== "online" || moves(camera)) return waitingFor(camera);
  const left_s = recording.seconds_left;
  return left_s === null || left_s === undefined ? "Recording" : `Recording; room for ${inWords(left_s)} more`;
}
