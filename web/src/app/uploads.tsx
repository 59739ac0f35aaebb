/**
 * Files on their way to the node. Kept above the pages, so that going to another page interrupts nothing.
 *
 * Sent one after the other: a second stream makes neither faster, and a broken connection then costs one file.
 */
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { told } from "../api/client.ts";
import { upload, uploadKey } from "../api/upload.ts";
import { Icon } from "../ui/Icon.tsx";
import { bytes, counted } from "../words/amounts.ts";
import { to } from "./router.ts";

interface Sending {
  number: number;
  file: File;
  /** What the node knows this upload by, however often it is sent. */
  key: string;
  share: number;
  state: "waiting" | "sending" | "done" | "failed";
  error: string | null;
  asset: string | null;
}

interface Queue {
  add: (files: Iterable<File>) => void;
  /** Grows by one with each file that arrived. */
  arrived: number;
}

const Sender = createContext<Queue>({ add: () => {}, arrived: 0 });
export const useUploads = (): Queue => useContext(Sender);

let numbers = 0;

export function Uploads({ children }: { children: ReactNode }) {
  const [all, setAll] = useState<Sending[]>([]);
  const [arrived, setArrived] = useState(0);
  const waiting = useRef<Sending[]>([]);
  const running = useRef(false);
  const ends = useRef(new Map<number, AbortController>());

  const change = useCallback((number: number, part: Partial<Sending>) => {
    setAll((before) => before.map((one) => (one.number === number ? { ...one, ...part } : one)));
  }, []);

  const work = useCallback(async () => {
    if (running.current) return;
    running.current = true;
    for (let next = waiting.current.shift(); next !== undefined; next = waiting.current.shift()) {
      const { number, file, key } = next;
      const end = new AbortController();
      ends.current.set(number, end);
      change(number, { state: "sending", share: 0, error: null });
      try {
        const asset = await upload(file, key, (share) => change(number, { share }), end.signal);
        change(number, { state: "done", share: 1, asset: asset.id });
        setArrived((count) => count + 1);
      } catch (error) {
        if (end.signal.aborted) setAll((before) => before.filter((one) => one.number !== number));
        else change(number, { state: "failed", error: told(error) });
      }
      ends.current.delete(number);
    }
    running.current = false;
  }, [change]);

  const add = useCallback(
    (files: Iterable<File>) => {
      const made = [...files].map<Sending>((file) => {
        numbers += 1;
        return { number: numbers, file, key: uploadKey(), share: 0, state: "waiting", error: null, asset: null };
      });
      if (made.length === 0) return;
      waiting.current.push(...made);
      setAll((before) => [...before, ...made]);
      void work();
    },
    [work],
  );

  const drop = (one: Sending): void => {
    waiting.current = waiting.current.filter((other) => other.number !== one.number);
    const end = ends.current.get(one.number);
    if (end) end.abort();
    else setAll((before) => before.filter((other) => other.number !== one.number));
  };
  const retry = (one: Sending): void => {
    waiting.current.push(one);
    change(one.number, { state: "waiting", error: null });
    void work();
  };

  const underWay = all.filter((one) => one.state === "waiting" || one.state === "sending").length;
  useEffect(() => {
    if (underWay === 0) return;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [underWay]);

  // The file under way, else the last one, stays in sight as others are done.
  const list = useRef<HTMLUListElement>(null);
  const current = all.find((one) => one.state === "sending")?.number ?? all.at(-1)?.number;
  useEffect(() => {
    const row = list.current?.querySelector('[data-upload="sending"]') ?? list.current?.lastElementChild;
    row?.scrollIntoView({ block: "nearest" });
  }, [current, all.length]);

  const queue = useMemo(() => ({ add, arrived }), [add, arrived]);
  return (
    <Sender value={queue}>
      {/* Below the page there is room for the panel, so that it hides nothing for good. */}
      <div className={all.length > 0 ? "has-uploads" : undefined}>{children}</div>
      {all.length > 0 && (
        <section className="uploads" aria-label="Uploads">
          <header>
            <h2>{underWay > 0 ? `Sending ${counted(underWay, "file", "files")}` : allTold(all)}</h2>
            {underWay === 0 && (
              <button type="button" className="icon-button" aria-label="Close uploads" onClick={() => setAll([])}>
                <Icon name="close" />
              </button>
            )}
          </header>
          <ul ref={list}>
            {all.map((one) => (
              <UploadRow key={one.number} one={one} onDrop={() => drop(one)} onRetry={() => retry(one)} />
            ))}
          </ul>
        </section>
      )}
    </Sender>
  );
}

function allTold(all: readonly Sending[]): string {
  const kept = all.filter((one) => one.state === "done").length;
  return kept === all.length ? `${counted(kept, "file", "files")} kept` : `${kept} of ${counted(all.length, "file", "files")} kept`;
}

/** One line a file, and what is wrong under it. */
function UploadRow({ one, onDrop, onRetry }: { one: Sending; onDrop: () => void; onRetry: () => void }) {
  const { name, size } = one.file;
  const percent = Math.round(one.share * 100);
  const told = {
    waiting: bytes(size),
    sending: percent < 100 ? `${percent} %` : "Storing…",
    done: "Kept",
    failed: "Not kept",
  }[one.state];
  return (
    <li data-upload={one.state}>
      <div className="upload-line">
        {one.state === "done" && one.asset !== null ? (
          <a className="upload-name" href={to.asset(one.asset)} title={name}>
            {name}
          </a>
        ) : (
          <span className="upload-name" title={name}>
            {name}
          </span>
        )}
        <span className="upload-state number">
          {one.state === "done" && <Icon name="done" />}
          {told}
        </span>
        {one.state === "failed" && (
          <button type="button" className="icon-button button-quiet" aria-label={`Send ${name} again`} onClick={onRetry}>
            <Icon name="restore" />
          </button>
        )}
        {one.state !== "done" && (
          <button
            type="button"
            className="icon-button button-quiet"
            aria-label={one.state === "failed" ? `Forget ${name}` : `Cancel ${name}`}
            onClick={onDrop}
          >
            <Icon name="close" />
          </button>
        )}
      </div>
      {one.state === "sending" && <progress max={1} value={one.share} aria-label={`Sending ${name}`} />}
      {one.error !== null && (
        <p className="field-error" role="alert">
          {one.error}
        </p>
      )}
    </li>
  );
}
