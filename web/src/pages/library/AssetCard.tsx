import { useState } from "react";
import { api, media } from "../../api/routes.ts";
import type { Asset } from "../../api/types.ts";
import { go, to } from "../../app/router.ts";
import { useSession } from "../../app/session.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { Poster } from "../../ui/Poster.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";
import { bytes, nOfM } from "../../words/amounts.ts";
import { shortMoment, timecode } from "../../words/time.ts";
import { DeleteForGood } from "./Forever.tsx";

export function AssetCard({ asset, inTrash, onChanged }: { asset: Asset; inTrash: boolean; onChanged: () => void }) {
  const { can } = useSession();
  const { busy, error, run } = useAction();
  const say = useSay();
  const [left, setLeft] = useState(false);
  const [sure, setSure] = useState(false);
  const restore = (): void =>
    void run(async () => {
      await api.restore(asset.id);
      setLeft(true);
      say(`“${asset.name}” is back in the library.`, { label: "Open", act: () => go(to.asset(asset.id)) });
      onChanged();
    });
  const few = asset.copies !== null && asset.copies_wanted !== null && asset.copies < asset.copies_wanted;
  if (left && inTrash) return null; // lists catch up a moment later
  return (
    <article className="card" data-asset={asset.id}>
      <a className="card-link" href={to.asset(asset.id)}>
        <span className="card-picture">
          <Poster src={media.poster(asset.id, asset.poster)} kind={asset.kind} />
          {asset.state === "recording" && (
            <span className="chip chip-rec card-rec">
              <span className="rec-dot" aria-hidden="true" />
              REC
            </span>
          )}
          {asset.duration !== null && <span className="chip number card-length">{timecode(asset.duration)}</span>}
        </span>
        <span className="card-name">{asset.name}</span>
      </a>
      <p className="card-facts">
        {shortMoment(asset.started_at ?? asset.created_at)}
        <span> · {bytes(asset.size_bytes)}</span>
        {asset.camera_name && <span> · {asset.camera_name}</span>}
      </p>
      {inTrash && asset.trashed_at !== null && <p className="card-facts">Thrown away {shortMoment(asset.trashed_at).replace(/^Today/, "today")}</p>}
      {asset.state === "interrupted" && <p className="card-warn">Interrupted; what was recorded is kept</p>}
      {few && <p className="card-warn">Copies: {nOfM(asset.copies, asset.copies_wanted)}</p>}
      {asset.error !== null && <p className="card-warn">{asset.error}</p>}
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
      {inTrash && can("operator") && (
        <div className="card-actions">
          <button type="button" className="button" disabled={busy} onClick={restore} aria-label={`Restore ${asset.name}`}>
            <Icon name="restore" /> Restore
          </button>
          <button
            type="button"
            className="icon-button"
            disabled={busy}
            onClick={() => setSure(true)}
            aria-label={`Delete ${asset.name} for good`}
            title="Delete for good"
          >
            <Icon name="trash" />
          </button>
        </div>
      )}
      {sure && (
        <DeleteForGood
          id={asset.id}
          name={asset.name}
          onClose={() => setSure(false)}
          onGone={() => {
            setLeft(true);
            onChanged();
          }}
        />
      )}
    </article>
  );
}
