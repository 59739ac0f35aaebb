import { useId, useState, type FormEvent } from "react";
import { api } from "../../api/routes.ts";
import type { Camera } from "../../api/types.ts";
import { go, to } from "../../app/router.ts";
import { Dialog } from "../../ui/Dialog.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";

export function CameraSettings({ camera, onClose, onChanged }: { camera: Camera; onClose: () => void; onChanged: () => void }) {
  const [name, setName] = useState(camera.name);
  const [sure, setSure] = useState(false);
  const { busy, error, run } = useAction();
  const say = useSay();
  const field = useId();

  const rename = (event: FormEvent): void => {
    event.preventDefault();
    void run(async () => {
      await api.renameCamera(camera.id, name.trim());
      onChanged();
      onClose();
    });
  };
  const remove = (): void =>
    void run(async () => {
      await api.removeCamera(camera.id);
      say(`${camera.name} was removed. Its takes stay in the library.`);
      go(to.wall());
    });

  return (
    <Dialog title="Camera settings" onClose={onClose}>
      <form className="stack" onSubmit={rename}>
        <label htmlFor={field}>Name</label>
        <input id={field} value={name} required maxLength={200} onChange={(event) => setName(event.target.value)} />
        <div className="row">
          <button type="submit" className="button button-primary" disabled={busy || name.trim() === ""}>
            Save
          </button>
        </div>
      </form>
      <hr />
      <div className="stack">
        <p>
          Removing the camera stops its picture{camera.recording ? " and its recording" : ""}. What was recorded stays
          in the library.
        </p>
        <div className="row">
          {sure ? (
            <button type="button" className="button button-danger" disabled={busy} onClick={remove}>
              Yes, remove {camera.name}
            </button>
          ) : (
            <button type="button" className="button" onClick={() => setSure(true)}>
              Remove camera
            </button>
          )}
        </div>
      </div>
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </Dialog>
  );
}
