import { useId, useState, type FormEvent } from "react";
import { api } from "../../api/routes.ts";
import type { AssetChange, AssetDetails } from "../../api/types.ts";
import { to } from "../../app/router.ts";
import { Icon } from "../../ui/Icon.tsx";
import { useAction } from "../../ui/useAction.ts";

export function TagsEditor({ asset, editable, onChanged }: { asset: AssetDetails; editable: boolean; onChanged: (asset: AssetDetails) => void }) {
  const [text, setText] = useState("");
  const { busy, error, run } = useAction();
  const field = useId();
  const change = (part: AssetChange): void =>
    void run(async () => {
      onChanged(await api.changeAsset(asset.id, part));
      if (part.tags_add) setText("");
    });
  const add = (event: FormEvent): void => {
    event.preventDefault();
    const tags = text.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "");
    if (tags.length > 0) change({ tags_add: tags });
  };
  const seen = asset.auto_tags.filter((tag) => !asset.tags.includes(tag));
  return (
    <section className="panel" aria-label="Tags">
      <h2>Tags</h2>
      {asset.tags.length === 0 && seen.length === 0 && <p className="hint">No tags yet.</p>}
      <ul className="tags" data-testid="tags">
        {asset.tags.map((tag) => (
          <li key={tag} className="tag">
            <a href={to.library({ tag })}>{tag}</a>
            {editable && (
              <button type="button" aria-label={`Remove tag ${tag}`} disabled={busy} onClick={() => change({ tags_remove: [tag] })}>
                <Icon name="close" />
              </button>
            )}
          </li>
        ))}
        {seen.map((tag) => (
          <li key={tag} className="tag tag-auto" title="Found in the pictures">
            <a href={to.search({ q: tag })}>{tag}</a>
          </li>
        ))}
      </ul>
      {editable && (
        <form className="row" onSubmit={add}>
          <label className="unseen" htmlFor={field}>
            New tags, with commas between
          </label>
          <input id={field} value={text} placeholder="Add a tag" maxLength={200} onChange={(event) => setText(event.target.value)} />
          <button type="submit" className="button" disabled={busy || text.trim() === ""}>
            Add
          </button>
        </form>
      )}
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </section>
  );
}
