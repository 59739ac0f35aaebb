/** What is true of a camera now. A badge without a sensor shows a dash. */
import type { Camera } from "../../api/types.ts";
import { bitRate, codecName, DASH, frameRate, nOfM, pictureSize, plain } from "../../words/amounts.ts";
import { behind } from "../../words/lag.ts";

export function CameraBadges({ camera }: { camera: Camera }) {
  // Copies are of parts: before the first there is nothing to count.
  const recording = (camera.recording?.size_bytes ?? 0) > 0 ? camera.recording : null;
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
    ...(recording?.node_name && recording.node_name !== camera.node_name
      ? ([["Recorded by", recording.node_name]] as [string, string][])
      : []),
    [
      `${recording?.node_name ?? camera.node_name ?? "Its node"}: not yet copied`,
      recording ? behind(recording.lag_s, recording.lag_bytes) : DASH,
    ],
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
