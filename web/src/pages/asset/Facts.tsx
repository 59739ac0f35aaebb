/** What is known of an asset: its copies, its measures, its holes. */
import type { AssetDetails, Gap } from "../../api/types.ts";
import { bytes, codecName, DASH, frameRate, nOfM, pictureSize } from "../../words/amounts.ts";
import { inWords, moment, timecode } from "../../words/time.ts";
import { workState } from "../../words/work.ts";
import { Recorders } from "./Recorders.tsx";

const KIND: Record<AssetDetails["kind"], string> = { take: "Take", video: "Video", image: "Picture", audio: "Sound", other: "File" };
const META_MAX = 24;
/** Seconds that must be missing of a take before its length says so. */
const SHOWN_S = 0.5;

export function AssetFacts({ asset, gaps, onSeek }: { asset: AssetDetails; gaps: readonly Gap[]; onSeek: (to_s: number) => void }) {
  const few = asset.copies !== null && asset.copies_wanted !== null && asset.copies < asset.copies_wanted;
  const missing_s = asset.recorded === null || asset.duration === null ? 0 : asset.duration - asset.recorded;
  const moves = asset.kind === "take" || asset.kind === "video";
  const facts: [string, string, boolean?][] = [
    ["Copies", nOfM(asset.copies, asset.copies_wanted), few],
    ["Kind", KIND[asset.kind] ?? asset.kind],
    ["Size", bytes(asset.size_bytes)],
    ...(asset.kind === "image" || asset.kind === "other" ? [] : ([["Length", timecode(asset.duration)]] as [string, string][])),
    ...(missing_s > SHOWN_S ? ([["Recorded", timecode(asset.recorded)]] as [string, string][]) : []),
    ...(asset.kind === "audio" || asset.kind === "other" ? [] : ([["Picture", pictureSize(asset.width, asset.height)]] as [string, string][])),
    ...(moves ? ([["Rate", frameRate(asset.frame_rate)]] as [string, string][]) : []),
    ["Codec", codecName(asset.codec)],
    ["Type", asset.mime ?? DASH],
    ["Kept since", moment(asset.created_at)],
  ];
  const meta = Object.entries(asset.meta ?? {}).filter(([, value]) => typeof value !== "object");
  return (
    <>
      <section className="panel" aria-label="Facts">
        <h2>Facts</h2>
        <dl className="facts" data-testid="facts">
          {facts.map(([name, value, warn]) => (
            <div key={name} data-warn={warn ?? false}>
              <dt>{name}</dt>
              <dd className="number">{value}</dd>
            </div>
          ))}
        </dl>
        {few && <p className="hint">Further copies are made by themselves as soon as enough nodes are there.</p>}
        {asset.analysis && <Analysis levels={asset.analysis} />}
      </section>
      <Recorders recorders={asset.recorders} onSeek={onSeek} />
      {gaps.length > 0 && (
        <section className="panel" aria-label="Gaps">
          <h2>Gaps</h2>
          <p className="hint">Nothing was recorded here. The player goes on after each.</p>
          <ul className="gaps">
            {gaps.map((gap) => (
              <li key={gap.start}>
                <button type="button" className="button button-quiet" onClick={() => onSeek(gap.start)}>
                  <span className="number">{timecode(gap.start)}</span>
                </button>
                <span>
                  {inWords(gap.end - gap.start)}: {gap.why || "the reason is not known"}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {meta.length > 0 && (
        <details className="panel">
          <summary>Metadata</summary>
          <dl className="facts">
            {meta.slice(0, META_MAX).map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd className="number">{String(value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </>
  );
}

function Analysis({ levels }: { levels: { l0: string; l1: string; l2: string } }) {
  const rows: [string, string][] = [
    ["Poster and measures", levels.l0],
    ["What is seen", levels.l1],
    ["Scenes", levels.l2],
  ];
  return (
    <dl className="facts facts-quiet" aria-label="Analysis">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ? workState(value) : DASH}</dd>
        </div>
      ))}
    </dl>
  );
}
