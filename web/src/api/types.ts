/**
 * The shapes of the HTTP API, by the names the viewer calls them.
 *
 * They are the node's own: openapi.d.ts beside this file is made from its OpenAPI (`make docs`), where each field says
 * what it is. The rest of the viewer imports shapes from here alone.
 */
import type { components } from "./openapi.d.ts";

type Shapes = components["schemas"];

export type Role = Shapes["Role"];
export type SignedIn = Shapes["SignedIn"];
export type Session = Shapes["Session"];
export type User = Shapes["User"];
export type Users = Shapes["Users"];
export type Token = Shapes["Token"];
export type Tokens = Shapes["Tokens"];
export type NewUser = Shapes["NewUser"];
export type NewToken = Shapes["NewToken"];
export type NewTokenMade = Shapes["NewTokenMade"];

export type Node = Shapes["Node"];
export type Nodes = Shapes["Nodes"];
export type Layout = Shapes["LayoutTold"];
/** Where one node stands in it. */
export type Seat = Shapes["Standing"];
export type LayoutOrders = Shapes["Orders"];
export type Plan = Shapes["Plan"];
export type PlanChange = Shapes["Change"];
export type NewTicket = Shapes["NewTicket"];
export type TicketMade = Shapes["TicketMade"];
export type Ending = Shapes["Ending"];
export type Revoked = Shapes["Revoked"];
export type Admitting = Shapes["Admitting"];

export type Camera = Shapes["Camera"];
export type Cameras = Shapes["Cameras"];
export type NewCamera = Shapes["NewCamera"];
export type CameraChange = Shapes["CameraChange"];
export type Recording = Shapes["Recording"];
export type TakeOf = Shapes["TakeOf"];
export type Device = Shapes["Device"];
export type Devices = Shapes["Devices"];

/** An asset as lists have it. */
export type Asset = Shapes["Asset"];
/** An asset with its scenes and gaps. */
export type AssetDetails = Shapes["AssetDetails"];
export type AssetPage = Shapes["AssetPage"];
export type AssetChange = Shapes["AssetChange"];
export type AssetKind = Asset["kind"];
export type Scene = Shapes["Scene"];
export type Gap = Shapes["Gap"];
export type Recorded = Shapes["Recorded"];
export type NotDeleted = Shapes["NotDeleted"];
export type TrashEmptied = Shapes["TrashEmptied"];

export type Hit = Shapes["Hit"];
export type Found = Shapes["Found"];
export type Job = Shapes["Job"];
export type Jobs = Shapes["Jobs"];

export type LiveEvent = Shapes["Event"];
export type Topic = LiveEvent["topic"];
/** How the topics of one thing begin. */
export type Things = Topic extends `${infer Thing}.${string}` ? `${Thing}.` : never;
export type ProblemDetails = Shapes["ProblemDetails"];
