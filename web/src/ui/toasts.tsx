/** Short words about what was just done, with a way back where there is one. */
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";

const SHOWN_MS = 7_000;
const TOASTS_MAX = 3;

interface Toast {
  number: number;
  text: string;
  undo: { label: string; act: () => void } | null;
}

type Say = (text: string, undo?: { label: string; act: () => void }) => void;
const Saying = createContext<Say>(() => {});

export const useSay = (): Say => useContext(Saying);

let numbers = 0;

export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const drop = useCallback((number: number) => setToasts((all) => all.filter((one) => one.number !== number)), []);
  const say = useCallback<Say>(
    (text, undo) => {
      numbers += 1;
      const toast = { number: numbers, text, undo: undo ?? null };
      setToasts((all) => [...all.slice(1 - TOASTS_MAX), toast]);
      window.setTimeout(() => drop(toast.number), SHOWN_MS);
    },
    [drop],
  );
  const list = useMemo(
    () =>
      toasts.map((toast) => (
        <div className="toast" key={toast.number}>
          <span>{toast.text}</span>
          {toast.undo && (
            <button
              type="button"
              className="button button-quiet"
              onClick={() => {
                drop(toast.number);
                toast.undo?.act();
              }}
            >
              {toast.undo.label}
            </button>
          )}
        </div>
      )),
    [toasts, drop],
  );
  return (
    <Saying value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {list}
      </div>
    </Saying>
  );
}
