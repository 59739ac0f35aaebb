import { useId, useState, type FormEvent } from "react";
import { api } from "../../api/routes.ts";
import type { AssetDetails } from "../../api/types.ts";
import { useAction } from "../../ui/useAction.ts";

export function NameForm({ asset, onDone, onChanged }: { asset: AssetDetails; onDone: () => void; onChanged: (asset: AssetDetails) => void }) {
  const [name, setName] = useState(asset.name);
  const { busy, error, run } = useAction();
  const field = useId();
  const save = (event: FormEvent): void => {
    event.preventDefault();
    void run(async () => {
      onChanged(await api.changeAsset(asset.id, { name: name.trim() }));
      onDone();
    });
  };
  return (
    <form className="panel stack" onSubmit={save}>
      <label htmlFor={field}>Name</label>
      <input id={field} autoFocus required maxLength={200} value={name} onChange={(event) => setName(event.target.value)} />
      <div className="row">
        <button type="submit" className="button button-primary" disabled={busy || name.trim() === ""}>
          Save
        </button>
        <button type="button" className="button" onClick={onDone}>
          Cancel
        </button>
      </div>
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </form>
  );
}
