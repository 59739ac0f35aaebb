/** The assembly: who is there, what they follow, the page that the address names. Nothing else. */
import { useEffect, useMemo } from "react";
import { EventFeed } from "../api/events.ts";
import { media } from "../api/routes.ts";
import { Feed } from "../api/useResource.ts";
import { AdminPage } from "../pages/Admin.tsx";
import { AssetPage } from "../pages/Asset.tsx";
import { CameraPage } from "../pages/Camera.tsx";
import { LayoutPage } from "../pages/Layout.tsx";
import { LibraryPage } from "../pages/Library.tsx";
import { NodesPage } from "../pages/Nodes.tsx";
import { Nowhere } from "../pages/Nowhere.tsx";
import { SearchPage } from "../pages/Search.tsx";
import { WallPage } from "../pages/Wall.tsx";
import { Toasts } from "../ui/toasts.tsx";
import { parseRoute, useHash, type Route } from "./router.ts";
import { SessionGate } from "./session.tsx";
import { Shell } from "./Shell.tsx";
import { Uploads } from "./uploads.tsx";

export function App() {
  return (
    <SessionGate>
      <SignedIn />
    </SessionGate>
  );
}

function SignedIn() {
  const feed = useMemo(() => new EventFeed(media.events()), []);
  useEffect(() => {
    feed.start();
    return () => feed.stop();
  }, [feed]);
  const route = parseRoute(useHash());
  return (
    <Feed value={feed}>
      <Toasts>
        <Uploads>
          <Shell route={route}>
            <Page route={route} />
          </Shell>
        </Uploads>
      </Toasts>
    </Feed>
  );
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case "wall":
      return <WallPage />;
    case "camera":
      return <CameraPage key={route.id} id={route.id} />;
    case "library":
      return <LibraryPage query={route.query} />;
    case "asset":
      return <AssetPage key={route.id} id={route.id} query={route.query} />;
    case "search":
      return <SearchPage query={route.query} />;
    case "nodes":
      return <NodesPage query={route.query} />;
    case "layout":
      return <LayoutPage />;
    case "admin":
      return <AdminPage />;
    case "nowhere":
      return <Nowhere />;
  }
}
