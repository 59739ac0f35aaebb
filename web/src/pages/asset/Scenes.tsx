import { media } from "../../api/routes.ts";
import type { Scene } from "../../api/types.ts";
import { Poster } from "../../ui/Poster.tsx";
import { timecode } from "../../words/time.ts";
import { sceneAt } from "../../words/timeline.ts";
import { workState } from "../../words/work.ts";

interface Props {
  asset: string;
  scenes: readonly Scene[];
  now_s: number;
  /** The state of scene detection, as the node says it. */
  level: string | null;
  onSeek: (to_s: number) => void;
}

export function Scenes({ asset, scenes, now_s, level, onSeek }: Props) {
  const current = sceneAt(now_s, scenes);
  if (scenes.length === 0) {
    return level === null || level === "" || level === "done" ? null : <p className="hint">Scenes: {workState(level)}.</p>;
  }
  return (
    <section className="scenes" aria-label="Scenes">
      <ol tabIndex={0} aria-label="Scenes, scrolls sideways">
        {scenes.map((scene, number) => (
          <li key={scene.start}>
            <button
              type="button"
              className="scene"
              aria-current={number === current ? "true" : undefined}
              aria-label={`Scene ${number + 1}, from ${timecode(scene.start)}${scene.tags.length > 0 ? `: ${scene.tags.join(", ")}` : ""}`}
              onClick={() => onSeek(scene.start)}
            >
              <Poster src={media.frame(asset, scene.hero)} kind="video" />
              <span className="number">{timecode(scene.start)}</span>
              {scene.tags.length > 0 && <span className="scene-tags">{scene.tags.join(", ")}</span>}
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
