/** One asset: play it, jump between its scenes, see where it has holes and how many copies there are. */
import { useCallback, useEffect, useRef, useState } from "react";
import { told } from "../api/client.ts";
import { api, media } from "../api/routes.ts";
import type { AssetDetails } from "../api/types.ts";
import { useResource } from "../api/useResource.ts";
import { go, to } from "../app/router.ts";
import { useSession } from "../app/session.tsx";
import { Icon } from "../ui/Icon.tsx";
import { ErrorNote, Loading, WarningNote } from "../ui/notes.tsx";
import { PageHead } from "../ui/PageHead.tsx";
import { useSay } from "../ui/toasts.tsx";
import { useAction } from "../ui/useAction.ts";
import { moment } from "../words/time.ts";
import { AssetFacts } from "./asset/Facts.tsx";
import { NameForm } from "./asset/NameForm.tsx";
import { Scenes } from "./asset/Scenes.tsx";
import { Stage, type StageHandle } from "./asset/Stage.tsx";
import { TagsEditor } from "./asset/TagsEditor.tsx";
import { Timeline } from "./asset/Timeline.tsx";
import { DeleteForGood } from "./library/Forever.tsx";

export function AssetPage({ id, query }: { id: string; query: URLSearchParams }) {
  const asset = useResource(`asset/${id}`, (signal) => api.asset(id, signal), {
    topics: ["asset.", "job.", "capture."],
    every_s: 10,
  });
  const moment_s = momentOf(query);
  if (asset.data === null) {
    if (!asset.error) return <Loading what="the asset" />;
    return (
      <>
        <PageHead title="Not shown" back={<BackToLibrary />} />
        <ErrorNote text={asset.error} retry={asset.reload} />
      </>
    );
  }
  return (
    <View
      asset={asset.data}
      error={asset.error}
      at_s={moment_s}
      reload={asset.reload}
      put={(changed) => asset.put({ ...asset.data, ...changed })}
    />
  );
}

function BackToLibrary() {
  return (
    <a className="icon-button" href={to.library()} aria-label="Back to the library">
      <Icon name="back" />
    </a>
  );
}

function momentOf(query: URLSearchParams): number | null {
  const text = query.get("t");
  const value = Number(text);
  return text === null || !Number.isFinite(value) || value < 0 ? null : value;
}

interface ViewProps {
  asset: AssetDetails;
  error: string | null;
  at_s: number | null;
  reload: () => void;
  put: (asset: AssetDetails) => void;
}

function View({ asset, error, at_s, reload, put }: ViewProps) {
  const { can } = useSession();
  const stage = useRef<StageHandle>(null);
  const [now_s, setNow] = useState(at_s ?? 0);
  const [length_s, setLength] = useState<number | null>(null);
  const [renaming, setRenaming] = useState(false);
  const [ending, setEnding] = useState(false);
  const bring = useBin(asset, reload, put);
  const seek = useCallback((to_s: number) => {
    setNow(to_s);
    stage.current?.seek(to_s);
  }, []);

  const asked = useRef(at_s);
  useEffect(() => {
    if (at_s !== null && at_s !== asked.current) seek(at_s);
    asked.current = at_s;
  }, [at_s, seek]);

  const scenes = asset.scenes ?? [];
  const gaps = asset.gaps ?? [];
  const plays = asset.kind !== "image" && asset.kind !== "other";
  const empty = asset.kind === "take" && asset.size_bytes === 0;
  const played_s = asset.state === "recording" ? (length_s ?? asset.duration) : (asset.duration ?? length_s);
  // A take may lack its end: the hole lies behind what plays.
  const whole_s = played_s === null ? null : Math.max(played_s, ...gaps.map((gap) => gap.end));
  return (
    <>
      <PageHead
        title={asset.name}
        sub={`${asset.camera_name ? `${asset.camera_name}, ` : ""}${moment(asset.started_at ?? asset.created_at)}`}
        back={<BackToLibrary />}
      >
        {!empty && (
          <a className="button" href={media.file(asset.id)} download={asset.name}>
            <Icon name="download" /> Download
          </a>
        )}
        {can("operator") && asset.trashed_at === null && asset.state !== "recording" && (
          <button type="button" className="button" disabled={bring.busy} onClick={bring.toTrash}>
            <Icon name="trash" /> <span>Move to trash</span>
          </button>
        )}
        {can("operator") && asset.trashed_at !== null && (
          <button type="button" className="button button-primary" disabled={bring.busy} onClick={bring.back}>
            <Icon name="restore" /> Restore
          </button>
        )}
        {can("operator") && asset.trashed_at !== null && (
          <button type="button" className="button" disabled={bring.busy} onClick={() => setEnding(true)}>
            <Icon name="trash" /> <span>Delete for good</span>
          </button>
        )}
      </PageHead>
      {(error ?? bring.error) !== null && <ErrorNote text={error ?? bring.error ?? ""} retry={error ? reload : undefined} />}
      {asset.trashed_at !== null && <WarningNote>This is in the trash since {moment(asset.trashed_at)}.</WarningNote>}
      {asset.state === "interrupted" && (
        <WarningNote>This take was interrupted. What was recorded until then is kept and can be played.</WarningNote>
      )}
      {ending && (
        <DeleteForGood
          id={asset.id}
          name={asset.name}
          onClose={() => setEnding(false)}
          onGone={() => go(to.library({ trash: "1" }), true)}
        />
      )}
      {asset.error !== null && <WarningNote>{asset.error}</WarningNote>}
      <div className="asset">
        <div className="asset-main">
          <Stage ref={stage} asset={asset} at_s={at_s} onTime={setNow} onLength={setLength} />
          {plays && whole_s !== null && whole_s > 0 && (
            <Timeline now_s={now_s} length_s={whole_s} scenes={scenes} gaps={gaps} onSeek={seek} />
          )}
          {plays && !empty && <Scenes asset={asset.id} scenes={scenes} now_s={now_s} level={asset.analysis?.l2 ?? null} onSeek={seek} />}
        </div>
        <div className="asset-side">
          {can("operator") &&
            (renaming ? (
              <NameForm asset={asset} onDone={() => setRenaming(false)} onChanged={put} />
            ) : (
              <button type="button" className="button" onClick={() => setRenaming(true)}>
                Rename
              </button>
            ))}
          <TagsEditor asset={asset} editable={can("operator")} onChanged={put} />
          <AssetFacts asset={asset} gaps={gaps} onSeek={seek} />
        </div>
      </div>
    </>
  );
}

function useBin(asset: AssetDetails, reload: () => void, put: (asset: AssetDetails) => void) {
  const { busy, error, run } = useAction();
  const say = useSay();
  const back = (): void =>
    void run(async () => {
      put({ ...asset, ...(await api.restore(asset.id)), trashed_at: null });
      say(`“${asset.name}” is back in the library.`);
      reload();
    });
  const toTrash = (): void =>
    void run(async () => {
      await api.trash(asset.id);
      say(`“${asset.name}” is in the trash.`, {
        label: "Undo",
        act: () =>
          void api.restore(asset.id).then(
            () => go(to.asset(asset.id)),
            (failure: unknown) => say(`“${asset.name}” is still in the trash. ${told(failure)}`),
          ),
      });
      go(to.library());
    });
  return { busy, error, back, toTrash };
}
