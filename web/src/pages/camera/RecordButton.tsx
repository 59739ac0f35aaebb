/** The button, as on a camera: round, red, and a square in it while it records. */
import { api } from "../../api/routes.ts";
import type { Camera } from "../../api/types.ts";
import { to } from "../../app/router.ts";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";
import { useNow } from "../../ui/useNow.ts";
import { counter, inWords, since } from "../../words/time.ts";

const LITTLE_TIME_S = 15 * 60;

export function RecordButton({ camera, allowed, onChanged }: { camera: Camera; allowed: boolean; onChanged: () => void }) {
  const { recording } = camera;
  const { busy, error, run } = useAction();
  const say = useSay();
  const elapsed_s = since(recording?.started_at, useNow(recording !== null));

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
        disabled={busy || !allowed}
        aria-busy={busy}
        onClick={press}
      >
        <span aria-hidden="true" />
      </button>
      <div className="record-words">
        <p className="record-time number" data-testid="elapsed" data-on={recording !== null}>
          {recording === null ? "00:00:00" : elapsed_s === null ? "–" : counter(elapsed_s)}
        </p>
        <p className="hint">
          {!allowed
            ? "Operators and admins can record."
            : busy
              ? recording === null
                ? "Starting…"
                : "Stopping; the last second is being kept…"
              : recording === null
                ? "Ready to record"
                : recording.seconds_left === null || recording.seconds_left === undefined
                  ? "Recording"
                  : `Recording; room for ${inWords(recording.seconds_left)} more`}
        </p>
        {recording?.seconds_left !== null && (recording?.seconds_left ?? Infinity) < LITTLE_TIME_S && (
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
