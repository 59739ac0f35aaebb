/** Which way is shown, and why no better one: the label on a player, and the sentence under it. */
import { sentence } from "../words/sentence.ts";
import type { LiveView } from "./ladder.ts";
import { MODE_NAME, type Mode } from "./rung.ts";

const MEANS: Record<Mode, string> = {
  webrtc: "live, well under a second behind",
  hls: "a few seconds behind, in full quality",
  mjpeg: "pictures one by one, without sound",
  snapshot: "a picture now and then",
};

export function ModeLabel({ view }: { view: LiveView }) {
  if (view.mode === null || view.state === "failed") return null;
  return (
    <span className="chip chip-mode" title={`${MODE_NAME[view.mode]}: ${MEANS[view.mode]}`}>
      {MODE_NAME[view.mode]}
    </span>
  );
}

export function ModeNote({ view }: { view: LiveView }) {
  const skipped = view.skipped.filter((one) => one.mode !== view.mode);
  return (
    <div className="mode-note" data-testid="mode-note">
      {view.mode !== null && view.state !== "failed" && (
        <p>
          {view.state === "connecting" ? "Trying" : "Showing"} <strong>{MODE_NAME[view.mode]}</strong>: {MEANS[view.mode]}.
        </p>
      )}
      {skipped.length > 0 && (
        <ul aria-label="Why no better way is shown">
          {skipped.map((one) => (
            <li key={one.mode}>
              <strong>{MODE_NAME[one.mode]}</strong> is not shown: {asClause(one.why)}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** A sentence that goes on after a colon; names such as H.265 keep their capital. */
function asClause(why: string): string {
  const text = sentence(why);
  return /^[A-Z][a-z]+ /.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
