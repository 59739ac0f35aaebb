/** The whole of a take at a glance: where scenes begin, where holes are, where the player is. A slider to move along. */
import { useState, type PointerEvent } from "react";
import type { Gap, Scene } from "../../api/types.ts";
import { counted } from "../../words/amounts.ts";
import { inWords, timecode } from "../../words/time.ts";
import { gapNear, sceneAt } from "../../words/timeline.ts";

interface Props {
  now_s: number;
  length_s: number;
  scenes: readonly Scene[];
  gaps: readonly Gap[];
  onSeek: (to_s: number) => void;
}

const NEAR_PX = 8;

/** "gap of 3.2 s at 0:12: the camera was gone". */
function gapWords(gap: Gap): string {
  return `gap of ${inWords(gap.end - gap.start)} at ${timecode(gap.start)}: ${gap.why || "the reason is not known"}`;
}

export function Timeline({ now_s, length_s, scenes, gaps, onSeek }: Props) {
  const share = (at_s: number): number => Math.min(100, Math.max(0, (at_s / length_s) * 100));
  const scene = sceneAt(now_s, scenes);
  const here = gapNear(now_s, gaps);
  const said = [
    `${timecode(now_s)} of ${timecode(length_s)}`,
    ...(scene >= 0 ? [`scene ${scene + 1} of ${scenes.length}`] : []),
    ...(here === null ? [] : [gapWords(here)]),
  ].join(", ");
  // A hole is narrow: what the pointer, or a finger, is nearly over counts.
  const [pointed, setPointed] = useState<Gap | null>(null);
  const point = (event: PointerEvent<HTMLInputElement>): void => {
    const bar = event.currentTarget.getBoundingClientRect();
    const per_px = length_s / Math.max(1, bar.width);
    setPointed(gapNear((event.clientX - bar.left) * per_px, gaps, NEAR_PX * per_px));
  };
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
          onPointerMove={point}
          onPointerDown={point}
          onPointerLeave={() => setPointed(null)}
          onPointerCancel={() => setPointed(null)}
          onChange={(event) => onSeek(Number(event.target.value))}
        />
        {pointed !== null && (
          <p
            className="timeline-tip"
            data-testid="gap-tip"
            aria-hidden="true"
            style={{ left: `clamp(0px, calc(${share((pointed.start + pointed.end) / 2)}% - 120px), calc(100% - 240px))` }}
          >
            {gapWords(pointed)}
          </p>
        )}
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
