/** One box for everything: words in, moments out, and how much of the mesh was looked at. */
import { useId, useState, type FormEvent } from "react";
import { sentence } from "../words/sentence.ts";
import { api, media, type SearchQuery } from "../api/routes.ts";
import type { Hit, Found } from "../api/types.ts";
import { useResource } from "../api/useResource.ts";
import { go, to } from "../app/router.ts";
import { Icon } from "../ui/Icon.tsx";
import { Empty, ErrorNote, Loading, WarningNote } from "../ui/notes.tsx";
import { PageHead } from "../ui/PageHead.tsx";
import { SOON, useAgainSoon } from "../ui/useAgainSoon.ts";
import { Poster } from "../ui/Poster.tsx";
import { counted } from "../words/amounts.ts";
import { notYetSeen } from "../words/work.ts";
import { dayEdge, timecode } from "../words/time.ts";
import { Field } from "./library/Filters.tsx";

const HITS_MAX = 40;
const NAMES = ["q", "camera", "type", "since", "until"] as const;
type Asked = Record<(typeof NAMES)[number], string>;

export function SearchPage({ query }: { query: URLSearchParams }) {
  const asked = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""])) as Asked;
  const cameras = useResource("cameras", (signal) => api.cameras(signal), { topics: ["camera."], every_s: 120 });
  const answer = useResource(
    asked.q ? `search?${query.toString()}` : null,
    (signal) =>
      api.search(
        {
          ...asked,
          // As the address has it: what is no kind the node refuses, in words.
          type: asked.type as NonNullable<SearchQuery["type"]>,
          since: dayEdge(asked.since, "start"),
          until: dayEdge(asked.until, "end"),
          limit: HITS_MAX,
        },
        signal,
      ),
    { every_s: 3600 },
  );
  useAgainSoon(answer.data?.catching_up === true ? answer.data : null, answer.reload);
  const ask = (part: Partial<Asked>): void => go(to.search({ ...asked, ...part }), part.q === undefined);
  const names = new Map(cameras.data?.cameras.map((camera) => [camera.id, camera.name]));

  return (
    <>
      <PageHead title="Search" />
      <SearchBox key={asked.q} words={asked.q} onAsk={(q) => ask({ q })} />
      <div className="search-filters">
        <Field label="Camera">
          {(id) => (
            <select id={id} value={asked.camera} onChange={(event) => ask({ camera: event.target.value })}>
              <option value="">All cameras</option>
              {cameras.data?.cameras.map((camera) => (
                <option key={camera.id} value={camera.id}>
                  {camera.name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Kind">
          {(id) => (
            <select id={id} value={asked.type} onChange={(event) => ask({ type: event.target.value })}>
              <option value="">All kinds</option>
              <option value="take">Takes</option>
              <option value="video">Videos</option>
              <option value="image">Pictures</option>
              <option value="audio">Sound</option>
            </select>
          )}
        </Field>
        <Field label="From">
          {(id) => <input id={id} type="date" value={asked.since} onChange={(event) => ask({ since: event.target.value })} />}
        </Field>
        <Field label="To">
          {(id) => <input id={id} type="date" value={asked.until} onChange={(event) => ask({ until: event.target.value })} />}
        </Field>
      </div>
      {answer.error !== null && <ErrorNote text={answer.error} retry={answer.reload} />}
      {!asked.q && (
        <Empty icon="search" title="Find a moment">
          <p>Say what is to be seen, in words: “a red bus”, “dog on a bench”. Names and tags are found too.</p>
        </Empty>
      )}
      {asked.q && answer.loading && answer.data === null && <Loading what="hits" />}
      {answer.data !== null && asked.q && <Answer answer={answer.data} words={asked.q} names={names} />}
    </>
  );
}

function SearchBox({ words, onAsk }: { words: string; onAsk: (words: string) => void }) {
  const [text, setText] = useState(words);
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim()) onAsk(text.trim());
  };
  return (
    <form className="search-box" role="search" onSubmit={submit}>
      <label htmlFor={id} className="unseen">
        What to find
      </label>
      <input
        id={id}
        type="search"
        placeholder="What is to be seen?"
        enterKeyHint="search"
        autoFocus={words === ""}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="button button-primary">
        <Icon name="search" /> Search
      </button>
    </form>
  );
}

function Answer({ answer, words, names }: { answer: Found; words: string; names: Map<string, string> }) {
  const partial = answer.shards_ok < answer.shards_total;
  return (
    <>
      {partial && (
        <WarningNote>
          Only {answer.shards_ok} of {answer.shards_total} shards answered, so some moments may be missing.{" "}
          {answer.catching_up
            ? `The others are being caught up with, as when a node joins; it is asked again ${SOON}.`
            : "Start the nodes that do not answer; the Nodes page names them."}
        </WarningNote>
      )}
      {answer.missing && <WarningNote>{sentence(answer.missing)}</WarningNote>}
      {answer.pending.recording + answer.pending.waiting > 0 && (
        <p className="hint" data-testid="search-pending">{notYetSeen(answer.pending)}</p>
      )}
      <p className="search-sum" role="status" data-testid="search-sum">
        {counted(answer.hits.length, "hit", "hits")} · <span data-testid="shards">{answer.shards_ok} of {answer.shards_total}</span> shards
        {answer.model && <> · {answer.model}</>}
      </p>
      {answer.hits.length === 0 ? (
        <Empty icon="search" title={`Nothing found for “${words}”`}>
          <p>Try other words for the same thing, or fewer filters. New recordings are found once they are indexed.</p>
        </Empty>
      ) : (
        <ol className="cards">
          {answer.hits.map((hit, number) => (
            <li key={`${hit.asset}/${hit.at ?? ""}/${number}`}>
              <HitCard hit={hit} camera={hit.camera === null ? null : (names.get(hit.camera) ?? null)} />
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

function HitCard({ hit, camera }: { hit: Hit; camera: string | null }) {
  return (
    <article className="card" data-hit={hit.asset}>
      <a className="card-link" href={to.asset(hit.asset, hit.at)}>
        <span className="card-picture">
          <Poster src={media.frame(hit.asset, hit.poster)} kind={hit.kind} />
          {hit.at !== null && <span className="chip number card-length">{timecode(hit.at)}</span>}
        </span>
        <span className="card-name">{hit.name}</span>
      </a>
      {camera !== null && <p className="card-facts">{camera}</p>}
      {hit.why.length > 0 && (
        <ul className="tags" aria-label="Why it was found">
          {hit.why.map((reason) => (
            <li key={reason} className="tag tag-auto">
              {reason}
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}
