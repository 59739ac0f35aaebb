/** Everything the mesh keeps, with what narrows it down. The address holds the filters. */
import { useEffect, useRef, useState, type ChangeEvent, type DragEvent } from "react";
import { api } from "../api/routes.ts";
import type { AssetPage } from "../api/types.ts";
import { useResource } from "../api/useResource.ts";
import { go, to } from "../app/router.ts";
import { useSession } from "../app/session.tsx";
import { useUploads } from "../app/uploads.tsx";
import { Icon } from "../ui/Icon.tsx";
import { Empty, ErrorNote, Loading, WarningNote } from "../ui/notes.tsx";
import { PageHead } from "../ui/PageHead.tsx";
import { useSay } from "../ui/toasts.tsx";
import { SOON, useAgainSoon } from "../ui/useAgainSoon.ts";
import { useAction } from "../ui/useAction.ts";
import { counted } from "../words/amounts.ts";
import { AssetCard } from "./library/AssetCard.tsx";
import { Filters } from "./library/Filters.tsx";
import { EmptyTrash } from "./library/Forever.tsx";
import { readFilters, toApi, toAddress, type Filters as Chosen } from "./library/filters.ts";

const PAGE = 48;

/** The library and the trash are two lists: of one nothing is shown in the other, not even while it loads. */
export function LibraryPage({ query }: { query: URLSearchParams }) {
  return <Shelf key={readFilters(query).trash ? "trash" : "library"} query={query} />;
}

function Shelf({ query }: { query: URLSearchParams }) {
  const { can } = useSession();
  const { add, arrived } = useUploads();
  const filters = readFilters(query);
  const key = query.toString();
  const [steps, setSteps] = useState<{ key: string; cursors: string[] }>({ key, cursors: [] });
  const [emptying, setEmptying] = useState<number | null>(null);
  const cursors = steps.key === key ? steps.cursors : [];
  const cursor = cursors.at(-1) ?? "";

  const page = useResource(
    `assets?${key}&page=${cursor}`,
    (signal) => {
      const [asked, descending] = toApi(filters);
      return api.assets({ ...asked, limit: PAGE, page: cursor }, descending, signal);
    },
    { topics: ["asset.", "capture."], every_s: 20 },
  );
  const { reload } = page;
  useAgainSoon(page.data?.catching_up === true ? page.data : null, reload);
  useEffect(() => {
    if (arrived > 0) reload();
  }, [arrived, reload]);

  const change = (part: Partial<Chosen>): void => go(to.library(toAddress({ ...filters, ...part })), true);
  const walk = (next: string[]): void => {
    setSteps({ key, cursors: next });
    window.scrollTo(0, 0);
  };
  const drop = useDrop(can("operator") ? add : null);
  const list = page.data?.assets ?? null;
  const first = cursors.length * PAGE + 1;

  return (
    <div className="drop-area" data-over={drop.over} {...drop.handlers}>
      <PageHead title={filters.trash ? "Trash" : "Library"} {...(page.data ? { sub: range(page.data, first) } : {})}>
        {can("operator") && !filters.trash && <UploadButton add={add} />}
        {can("operator") && filters.trash && <EmptyButton filters={filters} onTotal={setEmptying} />}
        <a
          className="button"
          href={filters.trash ? to.library() : to.library({ trash: "1" })}
          aria-label={filters.trash ? "Back to the library" : "Trash"}
        >
          <Icon name={filters.trash ? "back" : "trash"} />
          <span>{filters.trash ? "Library" : "Trash"}</span>
        </a>
      </PageHead>
      <Filters filters={filters} onChange={change} />
      {page.error !== null && <ErrorNote text={page.error} retry={page.reload} />}
      {page.data !== null && page.data.partitions_ok < page.data.partitions_total && (
        <WarningNote>
          Part of the library cannot be seen now: {page.data.partitions_ok} of {page.data.partitions_total} partitions
          answered.{" "}
          {page.data.catching_up
            ? `The others are being caught up with, as when a node joins; all is there again ${SOON}.`
            : "Start the nodes that do not answer; the Nodes page names them."}
        </WarningNote>
      )}
      {page.data?.stale === true && (
        <WarningNote>This list may lack the latest changes; it will catch up by itself.</WarningNote>
      )}
      {list === null && page.error === null && <Loading what={filters.trash ? "the trash" : "the library"} />}
      {list !== null && list.length === 0 && <Nothing filters={filters} canAdd={can("operator")} add={add} />}
      {list !== null && list.length > 0 && (
        <ul className="cards" aria-busy={page.loading}>
          {list.map((asset) => (
            <li key={asset.id}>
              <AssetCard asset={asset} inTrash={filters.trash} onChanged={page.reload} />
            </li>
          ))}
        </ul>
      )}
      {(cursors.length > 0 || page.data?.next) && (
        <nav className="pager" aria-label="Pages of the library">
          <button type="button" className="button" disabled={cursors.length === 0} onClick={() => walk(cursors.slice(0, -1))}>
            <Icon name="back" /> Previous
          </button>
          <span className="number">Page {cursors.length + 1}</span>
          <button
            type="button"
            className="button"
            disabled={!page.data?.next}
            onClick={() => page.data?.next && walk([...cursors, page.data.next])}
          >
            Next <Icon name="next" />
          </button>
        </nav>
      )}
      {emptying !== null && <EmptyTrash total={emptying} onClose={() => setEmptying(null)} onDone={page.reload} />}
      {drop.over && <p className="drop-sign">Drop files to keep them in the library</p>}
    </div>
  );
}

function range(page: AssetPage, first: number): string {
  const { total, total_exact: exact } = page;
  const shown = page.assets.length;
  if (shown === 0) return "Nothing here";
  if (exact && total <= shown) return counted(total, "item", "items");
  return `${first}–${first + shown - 1} of ${exact ? "" : "more than "}${total.toLocaleString()}`;
}

/** All of the trash goes, whatever the filters show of it: so it is counted without them first. */
function EmptyButton({ filters, onTotal }: { filters: Chosen; onTotal: (total: number) => void }) {
  const { busy, error, run } = useAction();
  const say = useSay();
  useEffect(() => {
    if (error !== null) say(error);
  }, [error, say]);
  const narrowed = isNarrowed(filters);
  const count = (): void =>
    void run(async () => {
      const { total } = await api.assets({ trashed: true, limit: 1 }, true);
      if (total === 0) say("The trash is empty.");
      else onTotal(total);
    });
  return (
    <button type="button" className="button" disabled={busy} onClick={count}>
      {narrowed ? "Empty all of the trash" : "Empty trash"}
    </button>
  );
}

function isNarrowed(filters: Chosen): boolean {
  return Object.keys(toAddress({ ...filters, trash: false, sort: "" })).length > 0;
}

function UploadButton({ add }: { add: (files: Iterable<File>) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const chosen = (event: ChangeEvent<HTMLInputElement>): void => {
    add(event.target.files ?? []);
    event.target.value = "";
  };
  return (
    <>
      <button type="button" className="button button-primary" onClick={() => input.current?.click()}>
        <Icon name="upload" /> Upload
      </button>
      <input ref={input} type="file" multiple hidden aria-label="Files to upload" onChange={chosen} />
    </>
  );
}

function Nothing({ filters, canAdd, add }: { filters: Chosen; canAdd: boolean; add: (files: Iterable<File>) => void }) {
  if (isNarrowed(filters)) {
    return (
      <Empty icon="filter" title="Nothing matches these filters">
        <p>Take one away, or search in what the pictures show.</p>
        <div className="row">
          <a className="button" href={to.library(filters.trash ? { trash: "1" } : {})}>
            Clear filters
          </a>
          {filters.text && (
            <a className="button" href={to.search({ q: filters.text })}>
              Search for “{filters.text}”
            </a>
          )}
        </div>
      </Empty>
    );
  }
  if (filters.trash) {
    return (
      <Empty icon="trash" title="The trash is empty">
        <p>What you throw away can be taken back from here.</p>
      </Empty>
    );
  }
  return (
    <Empty icon="library" title="Nothing is kept yet">
      <p>
        {canAdd ? "Record a camera, or upload files: drop them anywhere on this page." : "Takes show up here as soon as a camera is recorded."}
      </p>
      {canAdd && <UploadButton add={add} />}
    </Empty>
  );
}

function useDrop(add: ((files: Iterable<File>) => void) | null) {
  const [over, setOver] = useState(false);
  const depth = useRef(0);
  if (add === null) return { over: false, handlers: {} };
  const carries = (event: DragEvent): boolean => event.dataTransfer.types.includes("Files");
  return {
    over,
    handlers: {
      onDragEnter: (event: DragEvent) => {
        if (!carries(event)) return;
        depth.current += 1;
        setOver(true);
      },
      onDragLeave: (event: DragEvent) => {
        if (!carries(event)) return;
        depth.current -= 1;
        if (depth.current <= 0) setOver(false);
      },
      onDragOver: (event: DragEvent) => {
        if (carries(event)) event.preventDefault();
      },
      onDrop: (event: DragEvent) => {
        if (!carries(event)) return;
        event.preventDefault();
        depth.current = 0;
        setOver(false);
        add(event.dataTransfer.files);
      },
    },
  };
}
