import type { Recording } from "../api/types.ts";
import { counter, since } from "../words/time.ts";
import { useNow } from "./useNow.ts";

/** REC and for how long, as in a viewfinder. */
export function RecordingChip({ recording }: { recording: Recording }) {
  const elapsed_s = since(recording.started_at, useNow());
  return (
    <span className="chip chip-rec" data-testid="rec">
      <span className="rec-dot" aria-hidden="true" />
      REC{elapsed_s !== null && <span className="number"> {counter(elapsed_s)}</span>}
    </span>
  );
}
