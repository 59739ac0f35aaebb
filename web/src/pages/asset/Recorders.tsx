/** Who recorded which part of a take, where that was more than one node, and what is missing of each part. */
import type { Recorded } from "../../api/types.ts";
import { inWords, timecode } from "../../words/time.ts";

/** What is missing for less than this is the rounding of clocks. */
const MISSING_TOLD_S = 0.05;

export function Recorders({ recorders, onSeek }: { recorders: readonly Recorded[]; onSeek: (to_s: number) => void }) {
  if (recorders.length < 2) return null;
  const first = recorders[0]?.start ?? 0;
  const whole = (recorders.at(-1)?.end ?? first) - first;
  const missing_s = recorders.reduce((sum, one) => sum + one.missing, 0);
  return (
    <section className="panel" aria-label="Recorded by" data-testid="recorders">
      <h2>Recorded by</h2>
      <p className="hint">
        Another node went on when one could not.{" "}
        {missing_s < MISSING_TOLD_S ? "Nothing is missing." : `${inWords(missing_s)} in all are missing.`}
      </p>
      <div className="recorders-bar" aria-hidden="true">
        {recorders.map((one, at) => (
          <span key={one.start} data-odd={at % 2 === 1} style={{ flexGrow: Math.max(0.01, (one.end - one.start) / whole) }} />
        ))}
      </div>
      <ol className="gaps">
        {recorders.map((one) => (
          <li key={one.start}>
            <button type="button" className="button button-quiet" aria-label={`Go to ${timecode(one.start)}`} onClick={() => onSeek(one.start)}>
              <span className="number">{timecode(one.start)}</span>
            </button>
            <span>
              {one.node_name ?? (one.node.slice(0, 8) || "A node that is not known")}, {inWords(one.end - one.start)}
              {one.missing >= MISSING_TOLD_S && <span className="warn">, {inWords(one.missing)} of it missing</span>}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
