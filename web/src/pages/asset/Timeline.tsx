/** The whole of a take at a glance: where scenes begin, where holes are, where the player is. A slider to move along. */
import type { Gap, Scene } from "../../api/types.ts";
import { counted } from "../../words/amounts.ts";
import { timecode } from "../../words/time.ts";
import { sceneAt } from "../../words/timeline.ts";

interface Props {
  now_s: number;
  length_s: number;
  scenes: readonly Scene[];
  gaps: readonly Gap[];
  onSeek: (to_s: number) => void;
}

export function Timeline({ now_s, length_s, scenes, gaps, onSeek }: Props) {
  const share = (at_s: number): number => Math.min(100, Math.max(0, (at_s / length_s) * 100));
  const scene = sceneAt(now_s, scenes);
  const said = `${timecode(now_s)} of ${timecode(length_s)}${scene >= 0 ? `, scene ${scene + 1} of ${scenes.length}` : ""}`;
  return (
    <div className="timeline" data-testid="timeline">
      <div className="timeline-bar">
        <svg className="timeline-marks" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
          <rect className="timeline-track" x="0" y="3" width="100" height="4" />
          <rect className="timeline-done" x="0" y="3" width={share(now_s)} height="4" />
          {gaps.map((gap) => (
            <rect
              key={gap.start}
              className="timeline-gap"
              data-gap={gap.start}
              x={share(gap.start)}
              y="1.5"
              width={Math.max(0.4, share(gap.end) - share(gap.start))}
              height="7"
            />
          ))}
          {scenes.map((one) => (
            <line key={one.start} className="timeline-scene" x1={share(one.start)} x2={share(one.start)} y1="1" y2="9" />
          ))}
          <line className="timeline-now" x1={share(now_s)} x2={share(now_s)} y1="0" y2="10" />
        </svg>
        <input
          type="range"
          min={0}
          max={length_s}
          step={0.1}
          value={Math.min(now_s, length_s)}
          aria-label="Position"
          aria-valuetext={said}
          onChange={(event) => onSeek(Number(event.target.value))}
        />
      </div>
      <p className="timeline-words number">
        <span>
          {timecode(now_s)} / {timecode(length_s)}
        </span>
        <span>
          {scenes.length > 0 && counted(scenes.length, "scene", "scenes")}
          {gaps.length > 0 && <span className="warn"> {counted(gaps.length, "gap", "gaps")}</span>}
        </span>
      </p>
    </div>
  );
}
