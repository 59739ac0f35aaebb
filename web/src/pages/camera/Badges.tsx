/** What is true of a camera now. A badge without a sensor shows a dash. */
import type { Camera } from "../../api/types.ts";
import { bitRate, bytes, codecName, DASH, frameRate, nOfM, pictureSize, plain } from "../../words/amounts.ts";
import { inWords } from "../../words/time.ts";

export function CameraBadges({ camera }: { camera: Camera }) {
  const { recording } = camera;
  const facts: [string, string, boolean?][] = [
    ["Codec", codecName(camera.codec)],
    ["Picture", pictureSize(camera.width, camera.height)],
    ["Rate", frameRate(camera.frame_rate)],
    ["Bit rate", bitRate(camera.bit_rate)],
    ["Node", camera.node_name ?? DASH],
    ["Hops", plain(camera.hops)],
    [
      "Copies",
      recording ? nOfM(recording.copies, recording.copies_wanted) : DASH,
      (recording?.copies ?? Infinity) < (recording?.copies_wanted ?? 0),
    ],
    ["Not yet copied", recording ? lag(recording.lag_s, recording.lag_bytes) : DASH],
  ];
  return (
    <dl className="badges" aria-label="What is true of this camera now">
      {facts.map(([name, value, warn]) => (
        <div key={name} data-warn={warn ?? false}>
          <dt>{name}</dt>
          <dd className="number">{value}</dd>
        </div>
      ))}
      <div className="badges-wide">
        <dt>Source</dt>
        <dd className="number">{camera.source || DASH}</dd>
      </div>
    </dl>
  );
}

function lag(lag_s: number | null, lag_bytes: number | null): string {
  if (lag_s === null || lag_s === undefined) return bytes(lag_bytes);
  return lag_bytes ? `${inWords(lag_s)}, ${bytes(lag_bytes)}` : inWords(lag_s);
}
