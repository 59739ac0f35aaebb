/** A question before something that nothing takes back. What is safe has the focus. */
import type { ReactNode } from "react";
import { Dialog } from "./Dialog.tsx";
import { useAction } from "./useAction.ts";

interface Props {
  title: string;
  /** What the button says: what will be done. */
  act: string;
  /** What it says while it is done. */
  acting: string;
  onAct: () => Promise<void>;
  onClose: () => void;
  children: ReactNode;
}

/** Asks; `onAct` failing is told in the dialog, which then stays. */
export function Confirm({ title, act, acting, onAct, onClose, children }: Props) {
  const { busy, error, run } = useAction();
  return (
    <Dialog title={title} onClose={busy ? () => {} : onClose}>
      <div className="stack">
        {children}
        {error !== null && (
          <p className="field-error" role="alert">
            {error}
          </p>
        )}
        <div className="row row-end">
          <button type="button" className="button" data-first-focus disabled={busy} onClick={onClose}>
            Cancel
          </button>
          <button type="button" className="button button-danger" disabled={busy} onClick={() => void run(onAct)}>
            {busy ? acting : act}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
