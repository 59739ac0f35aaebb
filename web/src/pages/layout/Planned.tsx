/** What is wanted, what that would move as a picture, and doing it. */
import { useEffect, useRef, useState } from "react";
import { Problem, told } from "../../api/client.ts";
import { api } from "../../api/routes.ts";
import type { Layout, LayoutOrders, Plan } from "../../api/types.ts";
import { Confirm } from "../../ui/Confirm.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { ErrorNote, WarningNote } from "../../ui/notes.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";
import { bytes } from "../../words/amounts.ts";
import { sentence } from "../../words/sentence.ts";
import { called, wantedWords, type Staged } from "./orders.ts";
import { PlanPicture } from "./PlanPicture.tsx";

interface Props {
  layout: Layout;
  orders: LayoutOrders;
  staged: Staged;
  force: boolean;
  onForce: (force: boolean) => void;
  onUnstage: (id: string) => void;
  onForget: () => void;
  onDone: () => void;
  /** Somebody else changed the layout meanwhile. */
  onStale: () => void;
}

export function Planned({ layout, orders, staged, force, onForce, onUnstage, onForget, onDone, onStale }: Props) {
  const { plan, error, refused, again } = usePlan(orders, layout.version);
  const { busy, error: failed, run } = useAction();
  const [asking, setAsking] = useState(false);
  const say = useSay();
  const heading = useRef<HTMLHeadingElement>(null);
  const wanted = JSON.stringify(orders);
  // Who has just put something into the plan goes on from there, by keyboard or with a screen reader.
  useEffect(() => heading.current?.focus(), [wanted]);
  const names = new Map(layout.nodes.map((one) => [one.id, called(one)]));
  const removes = orders.remove?.length ?? 0;

  const apply = async (): Promise<void> => {
    if (plan === null) return;
    try {
      await api.applyLayout({ ...orders, base: plan.base });
    } catch (failure) {
      onStale();
      again();
      throw failure;
    }
    say(plan.bytes_to_move > 0 ? "Done. What has to moves by itself now." : "Done.");
    onDone();
  };
  return (
    <section className="panel planned" aria-label="Plan" data-testid="plan" aria-busy={plan === null && error === null}>
      <h2 ref={heading} tabIndex={-1}>
        {orders.revert ? "Back to before the last change" : "Plan"}
      </h2>
      {!orders.revert && (
        <ul className="tags">
          {[...staged].map(([id, wanted]) => {
            const seat = layout.nodes.find((one) => one.id === id);
            if (seat === undefined) return null;
            const words = wantedWords(seat, wanted, (other) => names.get(other) ?? other.slice(0, 8)).join(", ");
            return (
              <li key={id} className="tag">
                <span className="tag-words">{words}</span>
                <button type="button" aria-label={`Leave out: ${words}`} onClick={() => onUnstage(id)}>
                  <Icon name="close" />
                </button>
              </li>
            );
          })}
        </ul>
      )}
      {error !== null && <ErrorNote text={error} retry={refused ? undefined : again} />}
      {removes > 0 && (error !== null || force) && (
        <label className="kind force">
          <input type="checkbox" checked={force} onChange={(event) => onForce(event.target.checked)} />
          <span>Take it out all the same: what it alone holds is lost</span>
        </label>
      )}
      {plan === null && error === null && (
        <p className="hint" role="status">
          Working out what would move…
        </p>
      )}
      {plan !== null && (
        <>
          {plan.warnings.map((text) => (
            <WarningNote key={text}>{sentence(text)}</WarningNote>
          ))}
          <PlanPicture plan={plan} />
          <dl className="badges badges-row plan-sums">
            <div>
              <dt>Moves</dt>
              <dd className="number">{bytes(plan.bytes_to_move)}</dd>
            </div>
            <div>
              <dt>Over the least possible</dt>
              <dd className="number">{plan.over_least.toFixed(2)}×</dd>
            </div>
            <div>
              <dt>Fullest node, over its share</dt>
              <dd className="number">{plan.uneven.toFixed(2)}×</dd>
            </div>
            <div data-warn={plan.zone_violations > 0}>
              <dt>Copies together in a zone</dt>
              <dd className="number">{plan.zone_violations}</dd>
            </div>
          </dl>
        </>
      )}
      {failed !== null && <ErrorNote text={failed} />}
      <div className="row">
        <button
          type="button"
          className="button button-primary"
          disabled={plan === null || busy}
          onClick={() => (removes > 0 ? setAsking(true) : void run(apply))}
        >
          {busy ? "Doing it…" : removes > 0 ? "Do it…" : "Do it"}
        </button>
        <button type="button" className="button" disabled={busy} onClick={onForget}>
          Forget it
        </button>
        <span className="hint">Nothing is done before you say so.</span>
      </div>
      {asking && (
        <Confirm
          title={removes === 1 ? `Take ${names.get(orders.remove?.[0] ?? "") ?? "it"} out?` : `Take ${removes} nodes out?`}
          act="Take out for good"
          acting="Taking out…"
          onAct={apply}
          onClose={() => setAsking(false)}
        >
          <p>
            {force
              ? "What is on it and nowhere else is lost for ever, and nobody waits for it any more."
              : "Everything it held is elsewhere. Nobody waits for it any more."}
          </p>
        </Confirm>
      )}
    </section>
  );
}

interface Asked {
  key: string;
  plan: Plan | null;
  error: string | null;
  /** Asking once more would not help: something else has to be wanted. */
  refused: boolean;
}

/** What orders would move, asked anew when they or the layout change; what is shown is never another order's. */
function usePlan(orders: LayoutOrders, version: string) {
  const key = JSON.stringify(orders) + version;
  const [state, setState] = useState<Asked>({ key: "", plan: null, error: null, refused: false });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const end = new AbortController();
    setState({ key, plan: null, error: null, refused: false });
    api
      .planLayout(orders, end.signal)
      .then((plan) => setState({ key, plan, error: null, refused: false }))
      .catch((failure: unknown) => {
        if (end.signal.aborted) return;
        const refused = failure instanceof Problem && failure.status >= 400 && failure.status < 500;
        setState({ key, plan: null, error: told(failure), refused });
      });
    return () => end.abort();
    // The key says all that the orders say; they are another object at each rendering.
  }, [key, turn]);
  const mine = state.key === key;
  const again = (): void => setTurn((before) => before + 1);
  return { plan: mine ? state.plan : null, error: mine ? state.error : null, refused: mine && state.refused, again };
}
