/** What a page says when there is nothing, something is wrong, or only part is there. */
import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon.tsx";

export function ErrorNote({ text, retry }: { text: string; retry?: (() => void) | undefined }) {
  return (
    <div className="note note-error" role="alert">
      <Icon name="warning" />
      <p>{text}</p>
      {retry && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function WarningNote({ children }: { children: ReactNode }) {
  return (
    <div className="note note-warning" role="status">
      <Icon name="warning" />
      <p>{children}</p>
    </div>
  );
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p className="loading" role="status">
      <span className="spinner" aria-hidden="true" /> Loading {what}…
    </p>
  );
}
