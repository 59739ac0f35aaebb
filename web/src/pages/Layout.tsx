/** Who stores what: how it is, what a change would move, doing it, and how far it is. */
import { useState } from "react";
import { api } from "../api/routes.ts";
import { useResource } from "../api/useResource.ts";
import { to } from "../app/router.ts";
import { useSession } from "../app/session.tsx";
import { Icon } from "../ui/Icon.tsx";
import { Empty, ErrorNote, Loading, WarningNote } from "../ui/notes.tsx";
import { PageHead } from "../ui/PageHead.tsx";
import { counted } from "../words/amounts.ts";
import { ChangeNode } from "./layout/ChangeNode.tsx";
import { Movement } from "./layout/Movement.tsx";
import { GO_BACK, ordersOf, type Staged, type Wanted } from "./layout/orders.ts";
import { Planned } from "./layout/Planned.tsx";
import { progressOf } from "./layout/progress.ts";
import { Zones } from "./layout/Zones.tsx";

const WATCHED_S = 2;
const CALM_S = 10;
/** A load over its share from which it is said. */
const UNEVEN = 1.1;

export function LayoutPage() {
  const { can } = useSession();
  const [every_s, setEvery] = useState(CALM_S);
  const layout = useResource("layout", (signal) => api.layout(signal).then(watched), { topics: ["node."], every_s });
  const [staged, setStaged] = useState<Staged>(new Map());
  const [back, setBack] = useState(false);
  const [force, setForce] = useState(false);
  const [changing, setChanging] = useState<string | null>(null);
  const told = layout.data;

  /** Look more often while something moves. */
  function watched(answer: Awaited<ReturnType<typeof api.layout>>) {
    setEvery(progressOf(answer).done ? CALM_S : WATCHED_S);
    return answer;
  }
  const stage = (id: string, wanted: Wanted | null): void => {
    setStaged((before) => {
      const next = new Map(before);
      if (wanted === null) next.delete(id);
      else next.set(id, wanted);
      return next;
    });
    setBack(false);
    setForce(false);
    setChanging(null);
  };
  const forget = (): void => {
    setStaged(new Map());
    setBack(false);
    setForce(false);
  };

  const seats = told?.nodes ?? [];
  const storing = seats.filter((one) => one.state === "active").length;
  const zones = new Set(seats.filter((one) => one.state === "active").map((one) => one.zone || one.id)).size;
  const change = seats.find((one) => one.id === changing);
  const orders = back ? GO_BACK : ordersOf(staged, force);
  return (
    <>
      <PageHead
        title="Layout"
        {...(told ? { sub: `${counted(storing, "node stores", "nodes store")}, ${counted(zones, "zone", "zones")}, ${counted(told.copies, "copy", "copies")}` } : {})}
        back={
          <a className="icon-button" href={to.nodes()} aria-label="Back to the nodes">
            <Icon name="back" />
          </a>
        }
      >
        {can("admin") && told !== null && !back && (
          <button
            type="button"
            className="button"
            onClick={() => {
              forget();
              setBack(true);
            }}
          >
            <Icon name="restore" /> Undo the last change
          </button>
        )}
      </PageHead>
      {layout.error !== null && <ErrorNote text={layout.error} retry={layout.reload} />}
      {told === null && layout.error === null && <Loading what="the layout" />}
      {told !== null && seats.length === 0 && (
        <Empty icon="layout" title="No node stores anything yet">
          <p>Start a node with the role storage, and it takes its place here by itself.</p>
        </Empty>
      )}
      {told !== null && seats.length > 0 && (
        <>
          <Movement layout={told} />
          {told.zone_violations > 0 && (
            <WarningNote>
              {counted(told.zone_violations, "partition has", "partitions have")} two copies in one zone. Add a node to another zone,
              or give the nodes there more weight.
            </WarningNote>
          )}
          {told.uneven > UNEVEN && (
            <WarningNote>
              The fullest node carries {told.uneven.toFixed(2)} times its share. Change weights or zones to even it out.
            </WarningNote>
          )}
          {orders !== null && (
            <Planned
              layout={told}
              orders={orders}
              staged={staged}
              force={force}
              onForce={setForce}
              onUnstage={(id) => stage(id, null)}
              onForget={forget}
              onDone={() => {
                forget();
                layout.reload();
              }}
              onStale={layout.reload}
            />
          )}
          <Zones layout={told} staged={staged} {...(can("admin") ? { onChange: setChanging } : {})} />
        </>
      )}
      {change !== undefined && (
        <ChangeNode
          seat={change}
          seats={seats}
          wanted={staged.get(change.id) ?? null}
          onWanted={(wanted) => stage(change.id, wanted)}
          onClose={() => setChanging(null)}
        />
      )}
    </>
  );
}
