/** Whether everything is where it belongs; if not, how far it is, how fast, and what is waited for. */
import { useEffect, useState } from "react";
import { nodeNow } from "../../api/client.ts";
import type { Layout } from "../../api/types.ts";
import { Icon } from "../../ui/Icon.tsx";
import { bytes } from "../../words/amounts.ts";
import { inWords } from "../../words/time.ts";
import { paceOf, progressOf, sampled, type Sample } from "./progress.ts";

export function Movement({ layout }: { layout: Layout }) {
  const progress = progressOf(layout);
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  useEffect(() => {
    const { part, moved_bytes } = progressOf(layout);
    setSamples((before) => sampled(before, { at_ms: nodeNow(), part, moved_bytes }));
  }, [layout]);
  if (progress.done) {
    return (
      <p className="settled" role="status" data-testid="movement" data-done="true">
        <Icon name="done" /> Everything is where it belongs.
      </p>
    );
  }
  const { rate_bytes_s, left_s } = paceOf(samples);
  const percent = Math.floor(progress.part * 100);
  return (
    <section className="panel movement" aria-label="Movement" data-testid="movement" data-done="false">
      <h2>Moving</h2>
      <progress max={1} value={progress.part} aria-label="What was looked after" />
      <p className="number" role="status">
        {percent} %{rate_bytes_s !== null && rate_bytes_s > 0 && `, ${bytes(rate_bytes_s)}/s`}
        {left_s !== null && progress.part < 1 && `, about ${inWords(Math.max(1, left_s))} left`}
      </p>
      <p className="hint">Everything is served meanwhile, and it goes on by itself when this page is closed.</p>
      {progress.waits.length > 0 && (
        <ul className="plain waits">
          {progress.waits.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
    </section>
  );
}
