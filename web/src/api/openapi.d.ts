// Made by `make docs` from docs/openapi.json; do not edit.
export interface paths {
    "/api/v1/actors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Actors
         * @description Tell how the actors and supervised tasks of a node are doing, and what was not delivered.
         */
        get: operations["actors_api_v1_actors_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/assets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Listed
         * @description List what is kept, in the whole mesh: by words, kind, camera, tag, state and time; a page at a time.
         */
        get: operations["listed_api_v1_assets_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/assets/{asset}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One
         * @description Give an asset, with its scenes, its gaps and how many copies there are.
         */
        get: operations["one_api_v1_assets__asset__get"];
        put?: never;
        post?: never;
        /**
         * Throw Away
         * @description Put an asset into the trash, from which it can be restored; with ``now`` delete it for good.
         */
        delete: operations["throw_away_api_v1_assets__asset__delete"];
        options?: never;
        head?: never;
        /**
         * Change
         * @description Rename an asset, or change its tags.
         */
        patch: operations["change_api_v1_assets__asset__patch"];
        trace?: never;
    };
    "/api/v1/assets/{asset}/file": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * File
         * @description Give the bytes of an asset, with Range; a take comes as one MP4.
         */
        get: operations["file_api_v1_assets__asset__file_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        /**
         * File
         * @description Give the bytes of an asset, with Range; a take comes as one MP4.
         */
        head: operations["file_api_v1_assets__asset__file_head"];
        patch?: never;
        trace?: never;
    };
    "/api/v1/assets/{asset}/poster.jpg": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Poster
         * @description Give an asset's poster as JPEG.
         */
        get: operations["poster_api_v1_assets__asset__poster_jpg_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/assets/{asset}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Restore
         * @description Take an asset out of the trash.
         */
        post: operations["restore_api_v1_assets__asset__restore_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/authority": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Renew Authority
         * @description Give the mesh a new authority: a secret or key that got into wrong hands is worth nothing afterwards.
         */
        post: operations["renew_authority_api_v1_authority_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cameras": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Cameras
         * @description List the cameras of the mesh. What this node records is among them, whoever else can be asked.
         */
        get: operations["cameras_api_v1_cameras_get"];
        put?: never;
        /**
         * Add
         * @description Open a source as a camera, on this node or on the one named. Credentials in the URL are kept apart.
         */
        post: operations["add_api_v1_cameras_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cameras/{camera}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One
         * @description Give a camera.
         */
        get: operations["one_api_v1_cameras__camera__get"];
        put?: never;
        post?: never;
        /**
         * Remove
         * @description Forget a camera; its takes stay.
         */
        delete: operations["remove_api_v1_cameras__camera__delete"];
        options?: never;
        head?: never;
        /**
         * Change
         * @description Rename a camera.
         */
        patch: operations["change_api_v1_cameras__camera__patch"];
        trace?: never;
    };
    "/api/v1/cameras/{camera}/live.mjpeg": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Mjpeg
         * @description Give a camera as a stream of JPEG pictures.
         */
        get: operations["mjpeg_api_v1_cameras__camera__live_mjpeg_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cameras/{camera}/record": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Record
         * @description Record a camera until told to stop, on a node if one is named; a start asked twice is one take.
         */
        post: operations["record_api_v1_cameras__camera__record_post"];
        /**
         * Stop
         * @description End a recording; answered once every part of it is durable.
         */
        delete: operations["stop_api_v1_cameras__camera__record_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cameras/{camera}/snapshot.jpg": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Snapshot
         * @description Give a camera's present picture as JPEG.
         */
        get: operations["snapshot_api_v1_cameras__camera__snapshot_jpg_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/chunks/{chunk}.jpg": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Frame
         * @description Give a picture of an asset, a scene's hero frame, as JPEG.
         */
        get: operations["frame_api_v1_chunks__chunk__jpg_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/devices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Devices
         * @description List the capture devices of a node, or of all nodes.
         */
        get: operations["devices_api_v1_devices_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Jobs
         * @description Give what is open or failed first, then what is done.
         */
        get: operations["jobs_api_v1_jobs_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Retry
         * @description Queue failed jobs once more, at most 1000 at once; gives those queued.
         */
        post: operations["retry_api_v1_jobs_retry_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/layout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Layout
         * @description Tell who stores what, and whether all of it is where it belongs.
         */
        get: operations["layout_api_v1_layout_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/layout/apply": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Apply Layout
         * @description Change the layout; what has to moves by itself from then on, and everything is served meanwhile.
         */
        post: operations["apply_layout_api_v1_layout_apply_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/layout/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Plan Layout
         * @description Tell what a change would move; nothing is done.
         */
        post: operations["plan_layout_api_v1_layout_plan_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/links": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Add Link
         * @description Make a login link of this node; it works once, for ten minutes.
         */
        post: operations["add_link_api_v1_links_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Nodes
         * @description List the nodes of the mesh and how each is doing, and how many copies there are of what is kept.
         */
        get: operations["nodes_api_v1_nodes_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes/{name}/admit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Admit
         * @description Let another node admit too, so that the mesh does not hang on this one.
         */
        post: operations["admit_api_v1_nodes__name__admit_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes/{name}/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Revoke
         * @description End a node for ever: its links are cut everywhere, and what it says or signed is refused from now on.
         */
        post: operations["revoke_api_v1_nodes__name__revoke_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Search
         * @description Find moments by words in the whole mesh, the best first; says which shards could not be asked.
         */
        get: operations["search_api_v1_search_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who
         * @description Tell who is signed in, where, and until when.
         */
        get: operations["who_api_v1_session_get"];
        put?: never;
        /**
         * Sign In
         * @description Sign in by name and password or by a login link; sets the session cookie.
         */
        post: operations["sign_in_api_v1_session_post"];
        /**
         * Sign Out
         * @description Sign out: the session ends on every node, and the cookie is taken back.
         */
        delete: operations["sign_out_api_v1_session_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tickets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Add Ticket
         * @description Make a ticket: `thatdam up --join TICKET` on one other machine, once, before it expires.
         */
        post: operations["add_ticket_api_v1_tickets_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tokens
         * @description List the tokens of programs; what they are is not shown again.
         */
        get: operations["tokens_api_v1_tokens_get"];
        put?: never;
        /**
         * Add Token
         * @description Make a token for a program; it is shown this once.
         */
        post: operations["add_token_api_v1_tokens_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove Token
         * @description Let a token be worth nothing any more.
         */
        delete: operations["remove_token_api_v1_tokens__token__delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trash": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Empty Trash
         * @description Delete what is in the trash for good, a page at a time: ask again with ``page`` until ``next`` is null.
         */
        delete: operations["empty_trash_api_v1_trash_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Upload
         * @description Take the body as a file under this name; answered when it is durable.
         *
         *     An upload sent again under its `Idempotency-Key` is not read: the asset there is is answered, with the header
         *     `Idempotency-Replayed`.
         */
        put: operations["upload_api_v1_uploads_put"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Users
         * @description List the people who may sign in.
         */
        get: operations["users_api_v1_users_get"];
        put?: never;
        /**
         * Add User
         * @description Let somebody sign in, on every node of the mesh.
         */
        post: operations["add_user_api_v1_users_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove User
         * @description Let somebody sign in no more; their sessions end on every node.
         */
        delete: operations["remove_user_api_v1_users__name__delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Health
         * @description Tell that the process lives.
         */
        get: operations["health_health_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hls/{name}/{segment}.m4s": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Segment
         * @description Give a segment of an HLS playlist.
         */
        get: operations["segment_hls__name___segment__m4s_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hls/{name}/index.m3u8": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Playlist
         * @description Give the HLS playlist of a camera (live) or of a take (growing while it runs, then whole).
         */
        get: operations["playlist_hls__name__index_m3u8_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hls/{name}/init-{init}.mp4": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Initialisation
         * @description Give what an HLS player needs before the first segment.
         */
        get: operations["initialisation_hls__name__init__init__mp4_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Metrics
         * @description Give the node's metrics for Prometheus.
         */
        get: operations["metrics_metrics_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Ready
         * @description Tell whether the node is ready (200) or not (503), with the reasons.
         */
        get: operations["ready_ready_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/whep/{camera}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Offer
         * @description Begin to watch a camera by WHEP: an SDP offer for an SDP answer.
         */
        post: operations["offer_whep__camera__post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/whep/{camera}/{session}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * End
         * @description End a WHEP session.
         */
        delete: operations["end_whep__camera___session__delete"];
        options?: never;
        head?: never;
        /**
         * Trickle
         * @description Take further ICE candidates of a WHEP session.
         */
        patch: operations["trickle_whep__camera___session__patch"];
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What a node supervises. */
        Actors: {
            /** @description Its actors, by name. */
            actors: components["schemas"]["ActorState"][];
            /** @description What was not delivered, by reason. */
            dead_letters: components["schemas"]["DeadLetters"][];
            /** @description Events that slow peers did not get in time; they ask for them again. */
            events_dropped: number;
            /** @description The node's id. */
            node: string;
            /** @description Its other supervised tasks, by name. */
            tasks: components["schemas"]["TaskState"][];
            /** @description Tasks that were too many to be told of; they run well. */
            tasks_left_out: number;
        };
        /** @description An actor: takes messages from a bounded mailbox. Counts are since the node was started. */
        ActorState: {
            /** @description Messages that it handles now. */
            busy: number;
            /** @description Messages that it handles at once. */
            concurrency: number;
            /** @description Messages at which it failed by a bug of ours. */
            errors: number;
            /** @description Messages that it handled. */
            handled: number;
            /** @description The last of the errors. */
            last_failure: components["schemas"]["Failing"] | null;
            /** @description Messages that its mailbox holds; one more is refused. */
            mailbox_max: number;
            /** @description Its name, the same on every node. */
            name: string;
            /** @description Messages and streams that were refused because it was full. */
            overflows: number;
            /** @description How often its workers were started again. */
            restarts: number;
            /**
             * @description Failing: a worker of it failed and is about to be started again.
             * @enum {string}
             */
            state: "idle" | "busy" | "failing";
            /** @description Streams that it serves now. */
            streams: number;
            /** @description Messages in its mailbox. */
            waiting: number;
        };
        /** @description A node that can let others in from now on. */
        Admitting: {
            /** @description The ids of the nodes that can let others in now. */
            admitting: string[];
            /** @description Its id. */
            node: string;
        };
        /** @description How far an asset has been looked into; none: nobody has asked for it. */
        Analysis: {
            /**
             * @description What it is: codec, size, length, poster.
             * @enum {string}
             */
            l0: "none" | "queued" | "leased" | "done" | "failed";
            /**
             * @description What can be seen in it: frames embedded and tagged.
             * @enum {string}
             */
            l1: "none" | "queued" | "leased" | "done" | "failed";
            /**
             * @description Where its scenes begin, and a frame of each.
             * @enum {string}
             */
            l2: "none" | "queued" | "leased" | "done" | "failed";
        };
        /** @description Something kept: a take, or a file that was put in. */
        Asset: {
            /** @description How far it has been looked into. */
            analysis: components["schemas"]["Analysis"];
            /** @description Tags that a model gave it. */
            auto_tags: string[];
            /** @description The id of the camera it was recorded of. */
            camera: string | null;
            /** @description What people call that camera. */
            camera_name: string | null;
            /** @description How FFmpeg calls the video's codec. */
            codec: string | null;
            /** @description Copies of the part of it that has fewest. */
            copies: number | null;
            /** @description How many there should be. */
            copies_wanted: number;
            /** @description When it came to the mesh. */
            created_at: string | null;
            /** @description Seconds from its beginning to its end, as the player shows them: with the holes of a take. */
            duration: number | null;
            /** @description When its last picture was taken. */
            ended_at: string | null;
            /** @description What went wrong with it, in a sentence. */
            error: string | null;
            /** @description Frames a second. */
            frame_rate: number | null;
            /** @description Height of the picture in pixels. */
            height: number | null;
            /** @description The asset's id. */
            id: string;
            /**
             * @description What it is.
             * @enum {string}
             */
            kind: "take" | "video" | "image" | "audio" | "other";
            /** @description What else was found in it; ``blake3`` is the hash of a file's bytes in hex. */
            meta: {
                [key: string]: unknown;
            };
            /** @description Its type, as found by looking into it. */
            mime: string | null;
            /** @description What people call it. */
            name: string;
            /** @description The id of the node that recorded it or took it in. */
            node: string | null;
            /** @description The id of the chunk that holds its poster, a JPEG. */
            poster: string | null;
            /** @description Seconds of a take that are kept, without the holes; null of a file. */
            recorded: number | null;
            /** @description Its bytes. */
            size_bytes: number;
            /** @description When its first picture was taken, where that is known. */
            started_at: string | null;
            /** @description Whether it still grows, is whole, or ended otherwise than it should. */
            state: ("recording" | "ready" | "interrupted") | null;
            /** @description Tags that people gave it. */
            tags: string[];
            /** @description The changes of a take's recorder, the first first. */
            takeovers: components["schemas"]["Takeover"][];
            /** @description When it was put into the trash. */
            trashed_at: string | null;
            /** @description What a take that runs waits for while nothing comes. */
            waiting_for: string | null;
            /** @description Width of the picture in pixels. */
            width: number | null;
        };
        /** @description What to change of an asset; what is left out stays. */
        AssetChange: {
            /** @description Its new name. */
            name?: string | null;
            /**
             * @description Tags that it gets.
             * @default []
             */
            tags_add?: string[];
            /**
             * @description Tags that it loses.
             * @default []
             */
            tags_remove?: string[];
        };
        /** @description An asset with all that is known of it. */
        AssetDetails: {
            /** @description How far it has been looked into. */
            analysis: components["schemas"]["Analysis"];
            /** @description Tags that a model gave it. */
            auto_tags: string[];
            /** @description The id of the camera it was recorded of. */
            camera: string | null;
            /** @description What people call that camera. */
            camera_name: string | null;
            /** @description How FFmpeg calls the video's codec. */
            codec: string | null;
            /** @description Whether all of it could be read; else scenes, gaps or recorders are missing: who holds them is not reached. */
            complete: boolean;
            /** @description Copies of the part of it that has fewest. */
            copies: number | null;
            /** @description How many there should be. */
            copies_wanted: number;
            /** @description When it came to the mesh. */
            created_at: string | null;
            /** @description Seconds from its beginning to its end, as the player shows them: with the holes of a take. */
            duration: number | null;
            /** @description When its last picture was taken. */
            ended_at: string | null;
            /** @description What went wrong with it, in a sentence. */
            error: string | null;
            /** @description Frames a second. */
            frame_rate: number | null;
            /** @description What is missing of a take, in order. */
            gaps: components["schemas"]["Gap"][];
            /** @description Height of the picture in pixels. */
            height: number | null;
            /** @description The asset's id. */
            id: string;
            /**
             * @description What it is.
             * @enum {string}
             */
            kind: "take" | "video" | "image" | "audio" | "other";
            /** @description What else was found in it; ``blake3`` is the hash of a file's bytes in hex. */
            meta: {
                [key: string]: unknown;
            };
            /** @description Its type, as found by looking into it. */
            mime: string | null;
            /** @description What people call it. */
            name: string;
            /** @description The id of the node that recorded it or took it in. */
            node: string | null;
            /** @description The id of the chunk that holds its poster, a JPEG. */
            poster: string | null;
            /** @description Seconds of a take that are kept, without the holes; null of a file. */
            recorded: number | null;
            /** @description Who recorded which part of a take, in order: one stretch, unless its recorder changed while it ran. */
            recorders: components["schemas"]["Recorded"][];
            /** @description In order; empty until it has been looked into. */
            scenes: components["schemas"]["Scene"][];
            /** @description Its bytes. */
            size_bytes: number;
            /** @description When its first picture was taken, where that is known. */
            started_at: string | null;
            /** @description Whether it still grows, is whole, or ended otherwise than it should. */
            state: ("recording" | "ready" | "interrupted") | null;
            /** @description Tags that people gave it. */
            tags: string[];
            /** @description The changes of a take's recorder, the first first. */
            takeovers: components["schemas"]["Takeover"][];
            /** @description When it was put into the trash. */
            trashed_at: string | null;
            /** @description What a take that runs waits for while nothing comes. */
            waiting_for: string | null;
            /** @description Width of the picture in pixels. */
            width: number | null;
        };
        /** @description An asset came, changed or was removed for good. */
        AssetEvent: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description To which asset. */
            data: components["schemas"]["AssetTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description What happened. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "asset.changed" | "asset.removed";
        };
        /** @description A page of assets, and how much of the mesh answered. */
        AssetPage: {
            /** @description In the order asked for. */
            assets: components["schemas"]["Asset"][];
            /** @description Whether what did not answer is only catching up: every node that stores is there, and it is whole in a moment. */
            catching_up: boolean;
            /** @description What to give as ``page`` for the next page; null at the last. */
            next: string | null;
            /** @description Partitions that answered. */
            partitions_ok: number;
            /** @description Partitions there are. */
            partitions_total: number;
            /** @description Whether the write named by ``after`` is not in it yet. */
            stale: boolean;
            /** @description How many there are in all, of what answered. */
            total: number;
            /** @description Whether ``total`` is all; else there are more, which were not counted. */
            total_exact: boolean;
        };
        /** @description What is told of an asset that changed. */
        AssetTold: {
            /**
             * @description The id of the camera it is of; absent when that is as it was.
             * @default null
             */
            camera?: string | null;
            /** @description The asset's id. */
            id: string;
            /**
             * @description What it is; absent when that is as it was.
             * @default null
             */
            kind?: string | null;
            /**
             * @description What people call it now; absent when that is as it was.
             * @default null
             */
            name?: string | null;
            /**
             * @description Whether it still grows; absent when that is as it was.
             * @default null
             */
            state?: string | null;
            /**
             * @description What a take that runs waits for, null when it goes on; absent when that is as it was.
             * @default null
             */
            waiting?: string | null;
        };
        /** @description The mesh has a new authority. */
        AuthorityRenewed: {
            /** @description The ids of the nodes that can let others in now. */
            admitting: string[];
            /** @description The id of the mesh, which stays. */
            mesh: string;
        };
        /** @description A camera. What is measured of its picture is told only while one comes. */
        Camera: {
            /** @description Bits a second, measured. */
            bit_rate: number | null;
            /** @description How FFmpeg calls the video's codec. */
            codec: string | null;
            /** @description Why none come. */
            error: string | null;
            /** @description Frames a second. */
            frame_rate: number | null;
            /** @description Height of the picture in pixels. */
            height: number | null;
            /** @description Whether it can be watched by HLS. */
            hls: boolean;
            /** @description Links between its node and the asked one. */
            hops: number | null;
            /** @description The camera's id. */
            id: string;
            /** @description Times that its clock jumped since it was opened. */
            jumps: number;
            /** @description Whether it can be watched as single pictures. */
            mjpeg: boolean;
            /** @description What people call it. */
            name: string;
            /** @description The id of the node that opens it. */
            node: string;
            /** @description What people call that node. */
            node_name: string | null;
            /** @description Whether that node answers. */
            node_there: boolean;
            /** @description The take that runs. */
            recording: components["schemas"]["Recording"] | null;
            /** @description What is opened, without credentials. */
            source: string;
            /**
             * @description Whether pictures come.
             * @enum {string}
             */
            state: "online" | "connecting" | "stalled" | "offline" | "error";
            /** @description Whether it can be watched by WHEP. */
            webrtc: boolean;
            /** @description Why not, while it is online. */
            webrtc_reason: string | null;
            /** @description Width of the picture in pixels. */
            width: number | null;
        };
        /** @description What to change of a camera. */
        CameraChange: {
            /** @description What people call it from now on. */
            name: string;
        };
        /** @description A camera was added, changed or removed, on whatever node. */
        CameraEvent: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description To which camera. */
            data: components["schemas"]["CameraTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description What happened. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "camera.changed" | "camera.removed";
        };
        /** @description The cameras of the mesh. */
        Cameras: {
            /** @description In the order in which they were added. */
            cameras: components["schemas"]["Camera"][];
            /** @description Whether the others only catch up, as when a node joins, and will answer in a few seconds. */
            catching_up: boolean;
            /** @description Whether every part of the mesh could be asked; else cameras may be missing. */
            complete: boolean;
            /** @description Parts of the mesh that answered. */
            partitions_ok: number;
            /** @description Parts there are. */
            partitions_total: number;
        };
        /** @description What is told of a camera that changed. */
        CameraTold: {
            /**
             * @description The id of the take that ended; absent when none did.
             * @default null
             */
            ended?: string | null;
            /** @description The camera's id. */
            id: string;
            /**
             * @description What people call it now; absent when that is as it was.
             * @default null
             */
            name?: string | null;
            /**
             * @description The id of the node that opens it; absent when that is as it was.
             * @default null
             */
            node?: string | null;
            /**
             * @description The id of the take that runs, null when none does; absent when that is as it was.
             * @default null
             */
            record?: string | null;
            /**
             * @description The id of the node that records it; absent when that is as it was.
             * @default null
             */
            recorder?: string | null;
            /**
             * @description Whether pictures come; absent when that is as it was.
             * @default null
             */
            state?: string | null;
        };
        /** @description A recording began or ended. */
        CaptureEvent: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description Of which camera. */
            data: components["schemas"]["CaptureTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description What happened. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "capture.started" | "capture.stopped";
        };
        /** @description Another node goes on with a recording. */
        CaptureMoved: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description Of which camera. */
            data: components["schemas"]["CaptureMovedTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description What happened. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "capture.moved";
        };
        /** @description What is told when another node goes on with a recording. */
        CaptureMovedTold: {
            /** @description The camera's id. */
            camera: string;
            /** @description The id of the node that records now. */
            recorder: string;
        };
        /** @description What is told of a recording. */
        CaptureTold: {
            /** @description The camera's id. */
            camera: string;
            /** @description The id of the take that began or ended; null when that is not known. */
            take: string | null;
        };
        /** @description A recording waits for its camera, or goes on. */
        CaptureWaits: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description Of which take. */
            data: components["schemas"]["CaptureWaitsTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description What happened. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "capture.resumed" | "capture.waiting";
        };
        /** @description What is told when nothing comes to a recording, or comes again. */
        CaptureWaitsTold: {
            /** @description The id of the take. */
            take: string;
            /** @description What it waits for; null when it goes on. */
            waiting_for: string | null;
        };
        /** @description What a plan does to one node. */
        Change: {
            /** @description Bytes it will hold, about. */
            bytes_after: number;
            /** @description Bytes it should hold now, about. */
            bytes_before: number;
            /** @description Bytes that will be copied to it, about. */
            bytes_coming: number;
            /** @description The node's id. */
            id: string;
            /** @description What people call it. */
            name: string;
            /** @description Partitions it will own. */
            partitions_after: number;
            /** @description Partitions it owns now. */
            partitions_before: number;
            /** @description Partitions it will own that it does not own now. */
            partitions_coming: number;
            /**
             * @description What it will be.
             * @enum {string}
             */
            state: "active" | "draining" | "removed";
            /** @description What it will weigh. */
            weight_bytes: number;
            /** @description The zone it will stand in. */
            zone: string;
        };
        /** @description What nobody needs any more, over the nodes that answer. */
        Collection: {
            /** @description The nodes that have to be there before more can be collected. */
            held_up_by: components["schemas"]["HoldsUp"][];
            /** @description Bytes that nobody refers to and that are still kept. */
            reclaimable_bytes: number;
            /** @description Chunks of these. */
            reclaimable_chunks: number;
            /** @description Bytes that were collected. */
            reclaimed_bytes: number;
        };
        /** @description How well what is kept is kept, over the nodes that answer. */
        Copies: {
            /** @description Chunks with fewer copies than wanted, or damaged. */
            at_risk: number;
            /** @description Bytes of these. */
            lag_bytes: number;
            /** @description Age of the oldest of these, in seconds. */
            lag_s: number;
            /** @description Of these, those that are being copied or mended. */
            repairing: number;
            /** @description Of these, those that no node that can be reached has: they wait for the nodes that are gone. */
            unfound: number;
            /** @description Chunks that only one node has yet. */
            waiting: number;
            /** @description Copies of everything that there should be: as set, or as many as there are storage nodes. */
            wanted: number;
        };
        /**
         * @description Messages that nobody handled, of one reason. Each is counted by one node: tells where they ended, asks where
         *     they were asked.
         */
        DeadLetters: {
            /** @description How many, since the node was started. */
            count: number;
            /** @description The actor that the last of them was for. */
            last_actor: string | null;
            /**
             * @description No such actor there; its mailbox was full; no link, or it was lost; no answer in time; of another release.
             * @enum {string}
             */
            reason: "no_actor" | "full" | "node_gone" | "late" | "unknown";
        };
        /** @description A capture device of a node. */
        Device: {
            /** @description Why it cannot be opened. */
            error: string | null;
            /** @description The pictures it can give. */
            formats: components["schemas"]["DeviceFormat"][];
            /** @description What the device calls itself. */
            name: string;
            /** @description The id of the node it is at. */
            node: string;
            /** @description What people call that node. */
            node_name: string | null;
            /** @description A name that stays when it is plugged in elsewhere. */
            stable_id: string;
            /** @description What to add it as a camera by. */
            url: string;
        };
        /** @description A picture that a device can give. */
        DeviceFormat: {
            /** @description How FFmpeg calls the pixel format or codec. */
            format: string;
            /** @description Height of the picture in pixels. */
            height: number;
            /** @description Frames a second it can give. */
            rates: number[];
            /** @description Width of the picture in pixels. */
            width: number;
        };
        /** @description The capture devices of one node, or of all. */
        Devices: {
            /** @description Those there are. */
            devices: components["schemas"]["Device"][];
            /** @description What is missing where there can be none, or where a node did not answer; may be empty. */
            note: string;
        };
        /** @description Why a node is revoked. */
        Ending: {
            /**
             * @description Why, in words; everybody can read it.
             * @default
             */
            reason?: string;
        };
        Event: components["schemas"]["CameraEvent"] | components["schemas"]["AssetEvent"] | components["schemas"]["JobEvent"] | components["schemas"]["CaptureEvent"] | components["schemas"]["CaptureMoved"] | components["schemas"]["CaptureWaits"] | components["schemas"]["NodeEvent"] | components["schemas"]["MissedEvent"] | components["schemas"]["PositionEvent"];
        /** @description A failure, as it was seen last. */
        Failing: {
            /** @description When it was. */
            at: string | null;
            /** @description What it was, in words. */
            error: string;
        };
        /** @description What was found, and how much of the mesh was asked. */
        Found: {
            /** @description Whether what did not answer is only catching up: every node that stores is there, and it is whole in a moment. */
            catching_up: boolean;
            /** @description The best first. */
            hits: components["schemas"]["Hit"][];
            /** @description What part of the search is missing, and how to add it. */
            missing: string | null;
            /** @description The model that compared the words with pictures. */
            model: string | null;
            /** @description What is not in the index yet, of the shards that answered. */
            pending: components["schemas"]["Pending"];
            /** @description Shards of the index that answered and are up to date. */
            shards_ok: number;
            /** @description Shards there are. */
            shards_total: number;
        };
        /** @description A stretch of a take of which nothing is kept. */
        Gap: {
            /** @description Seconds from the take's start. */
            end: number;
            /** @description Seconds from the take's start. */
            start: number;
            /** @description What happened, in words. */
            why: string;
        };
        /** @description The process lives. */
        Health: {
            /**
             * @description Always alive: a process that does not live does not answer.
             * @constant
             */
            status: "alive";
        };
        /** @description A moment of an asset, or the whole of it. */
        Hit: {
            /** @description The asset's id. */
            asset: string;
            /** @description Seconds from the asset's start; null: the whole of it. */
            at: number | null;
            /** @description The id of the camera it was recorded of. */
            camera: string | null;
            /** @description Seconds from the asset's start, where what was found ends. */
            end: number | null;
            /**
             * @description What it is.
             * @enum {string}
             */
            kind: "take" | "video" | "image" | "audio" | "other";
            /** @description What people call it. */
            name: string;
            /** @description The id of the chunk that shows the moment, a JPEG. */
            poster: string | null;
            /** @description Orders the hits of one answer, the highest first; not comparable between answers. */
            score: number;
            /** @description What matched, in words. */
            why: string[];
        };
        /** @description A node for whose word collection waits. */
        HoldsUp: {
            /** @description Its id. */
            id: string;
            /** @description What people call it; empty where that is not known. */
            name: string;
        };
        /** @description A piece of work on an asset. */
        Job: {
            /** @description The id of the asset it is about. */
            asset: string;
            /** @description What people call that asset; null where that could not be told in time. */
            asset_name: string | null;
            /** @description How often it was begun. */
            attempts: number;
            /** @description When it was first wanted. */
            created_at: string | null;
            /** @description Why it failed last. */
            error: string | null;
            /** @description The id of the node at work on it now. */
            holder: string | null;
            /** @description The job's id. */
            id: string;
            /** @description The level of analysis: L1 or L2. */
            kind: string;
            /** @description The id of the node at work on it, or that did it. */
            node: string | null;
            /** @description What people call that node. */
            node_name: string | null;
            /** @description When it is tried again, while it waits for that. */
            retry_at: string | null;
            /**
             * @description How far it is; leased: a node is at work on it.
             * @enum {string}
             */
            state: "queued" | "leased" | "done" | "failed";
            /** @description What does it: the model or method with its version. */
            version: string;
        };
        /** @description Work on an asset is wanted, was begun, ended or failed. */
        JobEvent: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description To which job. */
            data: components["schemas"]["JobTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description What happened. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "job.changed" | "job.removed";
        };
        /** @description Jobs: what is worked on first, then what failed, what waits, what is done. */
        Jobs: {
            /** @description At most as many as asked for. */
            jobs: components["schemas"]["Job"][];
            /** @description Partitions that answered; null where only one asset was asked for. */
            partitions_ok: number | null;
            /** @description Partitions there are; null where only one asset was asked for. */
            partitions_total: number | null;
        };
        /** @description Whose failed jobs are tried again. */
        JobsAgain: {
            /**
             * @description The id of an asset; empty: of every asset.
             * @default
             */
            asset?: string;
        };
        /** @description What is told of a job that changed. */
        JobTold: {
            /**
             * @description The id of the node at work on it; absent when that is as it was.
             * @default null
             */
            holder?: string | null;
            /** @description The id of the asset that the job is about. */
            id: string;
            /**
             * @description The level of analysis; absent when that is as it was.
             * @default null
             */
            kind?: string | null;
            /**
             * @description How far it is; absent when that is as it was.
             * @default null
             */
            state?: string | null;
        };
        /** @description The layout as it is. */
        LayoutTold: {
            /** @description Copies wanted. */
            copies: number;
            /** @description Versions that were made without each other and are merged now; 1 as a rule. */
            heads: number;
            /** @description Whether data is still moving to where it belongs by this version; the owners before serve until then. */
            moving: boolean;
            /** @description Every node in it. */
            nodes: components["schemas"]["Standing"][];
            /** @description The versions it came from. */
            parents: string[];
            /** @description The greatest load of a node over its share. */
            uneven: number;
            /** @description Its name: the hash of what it says and of the versions it came from. */
            version: string;
            /** @description Partitions with two copies in one zone though another zone has none. */
            zone_violations: number;
        };
        /** @description A login link's token. */
        LoginLink: {
            /** @description The token; the link is ``NODE_URL/#/login/TOKEN``. */
            link: string;
            /** @description Seconds until it is worth nothing any more. */
            lives_s: number;
        };
        /** @description Events are lost to this listener, who should look at everything anew. Told whatever topics were asked for. */
        MissedEvent: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description How much, and why. */
            data: components["schemas"]["MissedTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description That something was missed. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "feed.missed";
        };
        /** @description What is told to a listener to whom events are lost. */
        MissedTold: {
            /** @description How many, of any topic; null when nobody knows how many, and maybe none. */
            missed: number | null;
            /** @description The id of the node that they happened on. */
            node: string;
            /**
             * @description They are too old to be kept there; that node started anew; or it could not be asked.
             * @enum {string}
             */
            why: "ring" | "restart" | "unreachable";
        };
        /** @description A source to add. */
        NewCamera: {
            /**
             * @description What people call it; empty: made from the URL.
             * @default
             */
            name?: string;
            /**
             * @description The node that opens it, by id, beginning of an id, or name; empty: the node that is asked.
             * @default
             */
            node?: string;
            /** @description What to open: ``test:``, ``file:PATH``, ``rtsp://…``, ``v4l2:NAME``. Credentials in it are kept apart. */
            url: string;
        };
        /** @description A ticket to make: it lets one machine in, with these roles at most. */
        NewTicket: {
            /**
             * @description Seconds until it is worth nothing any more.
             * @default 3600
             */
            expires_s?: number;
            /**
             * @description What the machine may do at most.
             * @default [
             *       "proxy",
             *       "daemon",
             *       "storage",
             *       "encoder"
             *     ]
             */
            roles?: string[];
        };
        /** @description A program's token to make. */
        NewToken: {
            /**
             * @description Days until it is worth nothing any more.
             * @default 90
             */
            days?: number;
            /** @description What the token is for. */
            name: string;
            /**
             * @description What the program may do.
             * @default viewer
             */
            role?: components["schemas"]["Role"];
        };
        /** @description A token, shown this once. */
        NewTokenMade: {
            /** @description What the program sends: ``Authorization: Bearer TOKEN``. */
            token: string;
        };
        /** @description A person to add, or whose password and role to change; the sessions of that person end. */
        NewUser: {
            /** @description Letters, digits, '.', '-' and '_'. */
            name: string;
            /** @description At least ten characters. */
            password: string;
            /**
             * @description What the person may do; each role may what the one before may.
             * @default viewer
             */
            role?: components["schemas"]["Role"];
        };
        /** @description A node of the mesh. What it tells of itself is null while it does not answer. */
        Node: {
            /** @description Where other nodes reach it, as host:port. */
            addresses: string[];
            /** @description Bytes of these chunks. */
            chunk_bytes: number | null;
            /** @description Chunks it keeps. */
            chunks: number | null;
            /** @description Chunks whose bytes it found wrong and that are not mended yet. */
            chunks_damaged: number | null;
            /** @description Chunks with fewer copies than wanted; each is told by one node. */
            chunks_short: number | null;
            /** @description What it takes, in percent of one core, since it was last asked. */
            cpu_percent: number | null;
            /** @description Room left on that disk. */
            disk_free_bytes: number | null;
            /** @description Size of its data folder's disk. */
            disk_total_bytes: number | null;
            /** @description Where its viewer is, if browsers of other machines may come. */
            http_url: string | null;
            /** @description The node's id: its public key in base32. */
            id: string;
            /** @description Bytes that it keeps and no other node has yet. */
            lag_bytes: number | null;
            /** @description Age of the oldest of these, in seconds. */
            lag_s: number | null;
            /** @description How late its event loop usually is, in milliseconds. */
            loop_lag_ms: number | null;
            /** @description Memory its process holds. */
            memory_bytes: number | null;
            /** @description The models that it has loaded for finding things. */
            models: string[];
            /** @description What people call it. */
            name: string;
            /** @description Partitions for which it is still catching up. */
            partitions_behind: number | null;
            /** @description How it is read-only; null: it is not, or does not answer. */
            read_only: components["schemas"]["ReadOnly"] | null;
            /** @description Bytes it keeps that nobody refers to any more. */
            reclaimable_bytes: number | null;
            /** @description Bytes it has collected since it was started. */
            reclaimed_bytes: number | null;
            /** @description The node that carries what these two say to each other, as they cannot reach each other; null: none has to. */
            relay: string | null;
            /** @description Why it has, or lacks, each role; empty while it does not answer. */
            role_reasons: {
                [key: string]: string;
            };
            /** @description What it does: proxy, daemon, storage, encoder. */
            roles: string[];
            /** @description Catalogue rows it keeps. */
            rows: number | null;
            /** @description Round trip between it and the asked node, in milliseconds. */
            rtt_ms: number | null;
            /** @description When the scrub that runs, or ran last, began. */
            scrub_began_at: string | null;
            /** @description When the last whole scrub ended. */
            scrub_ended_at: string | null;
            /** @description Damaged chunks that scrubs found. */
            scrub_found: number | null;
            /** @description Whether it is the node that was asked. */
            self: boolean;
            /** @description When it was started. */
            started_at: string | null;
            /**
             * @description What the asked node believes of it; revoked: an admin ended it for ever.
             * @enum {string}
             */
            state: "alive" | "suspect" | "dead" | "left" | "revoked";
            /** @description Its release. */
            version: string;
            /** @description Where it stands: copies of one thing go to different zones first. */
            zone: string;
        };
        /** @description The asked node believes something new of a node. */
        NodeEvent: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description Of which node. */
            data: components["schemas"]["NodeTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description What it believes. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "node.alive" | "node.dead" | "node.left" | "node.suspect";
        };
        /** @description The nodes of the mesh. */
        Nodes: {
            /** @description Assets of the whole mesh, trashed ones included. */
            assets: number;
            /** @description What is kept and nobody needs. */
            collection: components["schemas"]["Collection"];
            /** @description How many copies there are of what is kept. */
            copies: components["schemas"]["Copies"];
            /** @description The id of the mesh. */
            mesh: string;
            /** @description All that have not left, by id. */
            nodes: components["schemas"]["Node"][];
            /** @description How much of the catalogue answered. */
            partitions: components["schemas"]["Partitions"];
            /** @description Who may let nodes in, as far as the asked node has heard. */
            standing: components["schemas"]["NodeStanding"];
        };
        /** @description Who can let nodes in, and who is out. */
        NodeStanding: {
            /** @description Whether the asked node can. */
            admits: boolean;
            /** @description The ids of the nodes that can let others in. */
            admitting: string[];
            /** @description When the asked node's certificate ends; it is renewed at half its life. */
            certificate_expires_at: string | null;
            /** @description Nodes that refused the asked one lately, and why: it is out of the mesh, or they are of another. */
            refused: components["schemas"]["Refusal"][];
            /** @description Nodes that were ended for ever. */
            revoked: components["schemas"]["RevokedNode"][];
            /** @description What is wrong with the asked node's place in the mesh, a sentence each. */
            warnings: string[];
        };
        /** @description What is told of a node. */
        NodeTold: {
            /** @description The node's id. */
            id: string;
            /** @description What people call it. */
            name: string;
        };
        /** @description An asset that is in the trash still. */
        NotDeleted: {
            /** @description Its id. */
            id: string;
            /** @description What people call it. */
            name: string;
            /** @description What was in the way, in a sentence. */
            why: string;
        };
        /** @description What is wanted of the layout, all of it in one new version; nodes by id, its beginning, or name. */
        Orders: {
            /**
             * @description Nodes that are to store (again).
             * @default []
             */
            add?: string[];
            /**
             * @description The version this was planned on; when the layout has changed since, nothing is done.
             * @default
             */
            base?: string;
            /**
             * @description Nodes that are to hold nothing; they serve until everything is elsewhere.
             * @default []
             */
            drain?: string[];
            /**
             * @description Remove nodes that are not drained, too: what they alone hold is lost.
             * @default false
             */
            force?: boolean;
            /**
             * @description Nodes to take out for good, once they are drained.
             * @default []
             */
            remove?: string[];
            /**
             * @description Nodes that take others' places.
             * @default []
             */
            replace?: components["schemas"]["Replacing"][];
            /**
             * @description Go back to how it was before the last change, and nothing else.
             * @default false
             */
            revert?: boolean;
            /**
             * @description How much nodes weigh, in bytes of room.
             * @default {}
             */
            weight?: {
                [key: string]: number;
            };
            /**
             * @description The zones nodes stand in; copies are spread over zones first.
             * @default {}
             */
            zone?: {
                [key: string]: string;
            };
        };
        /** @description How much of the mesh answered. */
        Partitions: {
            /** @description Whether what did not answer is only catching up: every node that stores is there, and it is whole in a moment. */
            catching_up: boolean;
            /** @description Partitions that answered. */
            ok: number;
            /** @description Partitions there are. */
            total: number;
        };
        /** @description What is not in the index yet, so that what it shows is not searched. */
        Pending: {
            /** @description Takes that still run. */
            recording: number;
            /** @description Assets still to be looked at. */
            waiting: number;
        };
        /** @description What a change of the layout moves, before or as it is done. */
        Plan: {
            /** @description Whether it was done. */
            applied: boolean;
            /** @description The version it is planned on. */
            base: string;
            /** @description Bytes that will be copied, about. */
            bytes_to_move: number;
            /** @description What becomes of every node. */
            nodes: components["schemas"]["Change"][];
            /** @description That, over the least that would give the same loads. */
            over_least: number;
            /** @description The greatest load of a node over its share that there will be. */
            uneven: number;
            /** @description The version it makes. */
            version: string;
            /** @description What to know before it is done, in sentences. */
            warnings: string[];
            /** @description Partitions that will have two copies in one zone though another zone has none. */
            zone_violations: number;
        };
        /** @description The feed is open, or went past events of topics that were not asked for: only the cursor is new. */
        PositionEvent: {
            /**
             * Format: date-time
             * @description When, by the clock of the node it happened on.
             */
            at: string;
            /** @description Where the feed is with this: give it as `after`, to any node, to go on behind it. */
            cursor: string;
            /** @description Nothing; the cursor is what is new. */
            data: components["schemas"]["PositionTold"];
            /** @description The id of the node that tells it. */
            node: string;
            /**
             * @description Where the feed is. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            topic: "feed.position";
        };
        /** @description What is told of a position: nothing beside the cursor. */
        PositionTold: Record<string, never>;
        /** @description Why a request was not done, for programs by ``status`` and for people by ``detail`` (RFC 9457). */
        ProblemDetails: {
            /** @description What to look for in the logs of every node. */
            correlation_id: string;
            /** @description What was wrong and what to do, in a sentence. */
            detail: string;
            /**
             * @description Of a camera that cannot be shown: its state; absent in other problems.
             * @default null
             */
            state?: string | null;
            /** @description The HTTP status. */
            status: number;
            /** @description The status in words. */
            title: string;
            /** @description Always about:blank: the status tells the kind. */
            type: string;
        } & {
            [key: string]: unknown;
        };
        /** @description Whether the node can do its work. */
        Readiness: {
            /** @description What fails beside that and is tried again. */
            notes: string[];
            /** @description Why it is not ready. */
            reasons: string[];
            /**
             * @description Not ready comes with the HTTP status 503.
             * @enum {string}
             */
            status: "ready" | "not ready";
        };
        /** @description How a node is read-only: it serves all it has and takes no new chunks, so others stand in for it. */
        ReadOnly: {
            /**
             * @description Its operator's word (storage.read_only), or its disk, which takes no writes.
             * @enum {string}
             */
            by: "setting" | "disk";
            /** @description Whether it takes catalogue rows; where its database cannot be written, its answers do not pass for whole. */
            rows: boolean;
            /** @description Since when. */
            since: string | null;
            /** @description Why, in words. */
            why: string;
        };
        /** @description A stretch of a take that one node recorded. */
        Recorded: {
            /** @description Seconds from the take's start. */
            end: number;
            /** @description Seconds of it of which nothing is kept. */
            missing: number;
            /** @description The node's id. */
            node: string;
            /** @description What people call it; null when that is not known here. */
            node_name: string | null;
            /** @description Seconds from the take's start. */
            start: number;
        };
        /** @description A take that runs. Null inside: its recorder does not answer. */
        Recording: {
            /** @description The fewest copies that a part of it has which was recorded some seconds ago. */
            copies: number | null;
            /** @description How many copies there should be. */
            copies_wanted: number;
            /** @description Why it loses something now. */
            error: string | null;
            /** @description What the recorder, of whatever take, keeps and no other node has yet. */
            lag_bytes: number | null;
            /** @description Age of the oldest of that, in seconds. */
            lag_s: number | null;
            /** @description Seconds that came and could not be stored. */
            lost_s: number | null;
            /** @description The id of the node that records. */
            node: string;
            /** @description What people call that node. */
            node_name: string | null;
            /** @description Seconds until the recorder's disk is full at the present rate. */
            seconds_left: number | null;
            /** @description What has been recorded so far. */
            size_bytes: number | null;
            /** @description When it began. */
            started_at: string | null;
            /**
             * @description Whether it goes on, waits for its camera, or another node is about to go on with it.
             * @enum {string}
             */
            state: "recording" | "waiting" | "moving";
            /** @description The id of the asset. */
            take: string;
            /** @description What it waits for, in words. */
            waiting_for: string | null;
        };
        /** @description A node that does not take the asked one. */
        Refusal: {
            /** @description Where, as host:port. */
            address: string;
            /** @description Why, in words. */
            reason: string;
        };
        /** @description A node that takes another's place: it gets what that one holds, and nothing else moves. */
        Replacing: {
            /** @description The node that stands in its place. */
            new: string;
            /** @description The node that is to hold nothing. */
            old: string;
        };
        /** @description A node that was ended for ever. */
        Revoked: {
            /** @description The ids of the nodes that can let others in now. */
            admitting: string[];
            /** @description Whether it had been before. */
            already: boolean;
            /** @description Whether the mesh got a new authority, since the node knew the old one. */
            authority_renewed: boolean;
            /** @description Its id. */
            node: string;
        };
        /** @description A node that an admin ended for ever. */
        RevokedNode: {
            /** @description Its id. */
            id: string;
            /** @description Why, in words. */
            reason: string;
        };
        /**
         * @description What a person or program may do; each may what the one before may.
         * @enum {string}
         */
        Role: "viewer" | "operator" | "admin";
        /** @description A stretch of an asset between two cuts. */
        Scene: {
            /** @description Seconds from the asset's start. */
            end: number;
            /** @description The id of the chunk that holds its picture, a JPEG. */
            hero: string | null;
            /** @description Seconds from the asset's start. */
            start: number;
            /** @description What a model saw in it, the surest first. */
            tags: string[];
        };
        /** @description Who asks, and whom. */
        Session: {
            /** @description When the session ends by itself. */
            expires_at: string | null;
            /** @description The id of its mesh. */
            mesh: string;
            /** @description The id of the node that answers. */
            node: string;
            /**
             * @description What the person may do.
             * @enum {string}
             */
            role: "viewer" | "operator" | "admin";
            /** @description The name of the person. */
            user: string;
        };
        /** @description Who is signed in now; the session itself is in the cookie. */
        SignedIn: {
            /** @description When the session ends by itself. */
            expires_at: string | null;
            /**
             * @description What the person may do.
             * @enum {string}
             */
            role: "viewer" | "operator" | "admin";
            /** @description The name of the person. */
            user: string;
        };
        /** @description A name and password, or a login link's token. */
        SignIn: {
            /**
             * @description The token of a login link; the name and password are then not looked at.
             * @default
             */
            link?: string;
            /**
             * @description The person's password.
             * @default
             */
            password?: string;
            /**
             * @description The name of the person.
             * @default
             */
            user?: string;
        };
        /** @description Where one node stands. */
        Standing: {
            /** @description Bytes of chunks it holds now; null when it does not answer. */
            bytes: number | null;
            /** @description How many chunks that are. */
            chunks: number | null;
            /** @description Chunks on it that are on their way to others. */
            chunks_to_copy: number | null;
            /** @description The node's id. */
            id: string;
            /** @description The part of its chunks, from 0 to 1, that it has brought to those that hold them by now; null: not known. */
            looked_at: number | null;
            /** @description Bytes it gave to others since it started only because they hold them now. */
            moved_bytes: number | null;
            /** @description What people call it; empty when it is not known here. */
            name: string;
            /** @description How many partitions it owns. */
            partitions: number;
            /** @description Partitions of which it does not have everything yet. */
            partitions_behind: number | null;
            /** @description Whether it is there. */
            present: boolean;
            /** @description Whether it takes no new chunks now, so that the next nodes in the order stand in for it. */
            read_only: boolean;
            /**
             * @description Whether it stores, is being emptied, or was taken out.
             * @enum {string}
             */
            state: "active" | "draining" | "removed";
            /** @description Whether it has all it owns by this version. */
            synced: boolean;
            /** @description How much it weighs: as a rule the room it has. */
            weight_bytes: number;
            /** @description The zone it stands in. */
            zone: string;
        };
        /** @description The take that a recording is, or was. */
        TakeOf: {
            /** @description The asset. */
            take: components["schemas"]["AssetDetails"];
        };
        /** @description A take changed its recorder. */
        Takeover: {
            /** @description The id of the node that went on. */
            after: string;
            /** @description When the new one went on. */
            at: string | null;
            /** @description The id of the node that recorded before. */
            before: string | null;
        };
        /** @description A supervised task that is no actor's worker: it runs again when it fails. */
        TaskState: {
            /** @description How often it failed. */
            errors: number;
            /** @description The last of the errors. */
            last_failure: components["schemas"]["Failing"] | null;
            /** @description Its name: the part before the first slash is its family. */
            name: string;
            /** @description How often it was started again. */
            restarts: number;
            /**
             * @description Waiting: it failed and is about to be started again.
             * @enum {string}
             */
            state: "running" | "waiting" | "finished" | "stopped";
        };
        /** @description A ticket that lets one machine in, once. */
        TicketMade: {
            /** @description Where that node is reached, as host:port. */
            addresses: string[];
            /** @description When it is worth nothing any more. */
            expires_at: string | null;
            /** @description Whether these addresses lead nowhere from another machine. */
            here_only: boolean;
            /** @description The id of the mesh it leads into. */
            mesh: string;
            /** @description The id of the node that redeems it. */
            node: string;
            /** @description The ticket as a QR code: its rows, 1 for a dark module and 0 for a light one, without the margin. */
            qr: string[];
            /** @description What the machine may do at most. */
            roles: string[];
            /** @description What that machine is started with: ``thatdam up --join TICKET``. */
            ticket: string;
        };
        /** @description A program's token, without the token itself. */
        Token: {
            /** @description When it was made. */
            created_at: string | null;
            /** @description When it is worth nothing any more. */
            expires_at: string | null;
            /** @description What to name it by: the hash of the token. */
            id: string;
            /** @description What it is for. */
            name: string;
            /**
             * @description What the program may do.
             * @enum {string}
             */
            role: "viewer" | "operator" | "admin";
        };
        /** @description The tokens of programs. */
        Tokens: {
            /** @description All of the mesh. */
            tokens: components["schemas"]["Token"][];
        };
        /** @description A page of the trash that was deleted for good. */
        TrashEmptied: {
            /** @description Assets that are gone. */
            deleted: number;
            /** @description Assets of this page that could not be deleted. */
            kept: components["schemas"]["NotDeleted"][];
            /** @description What to give as ``page`` to go on; null when there is no more. */
            next: string | null;
            /** @description Partitions that answered: what lies in others stays in the trash. */
            partitions_ok: number;
            /** @description Partitions there are. */
            partitions_total: number;
        };
        /** @description A person who may sign in. */
        User: {
            /** @description Whether the person can sign in by a password; the first admin may have login links alone. */
            has_password: boolean;
            /** @description The name of the person. */
            name: string;
            /**
             * @description What the person may do.
             * @enum {string}
             */
            role: "viewer" | "operator" | "admin";
        };
        /** @description The people of the mesh. */
        Users: {
            /** @description By name. */
            users: components["schemas"]["User"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    actors_api_v1_actors_get: {
        parameters: {
            query?: {
                /** @description id, the beginning of it, or name; else the asked node */
                node?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Actors"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    listed_api_v1_assets_get: {
        parameters: {
            query?: {
                after?: string;
                camera?: string;
                /** @description blake3 of a file's bytes, in hex */
                content?: string;
                descending?: boolean;
                kind?: "" | "take" | "video" | "image" | "audio" | "other";
                limit?: number;
                order?: "created_ms" | "started_ms" | "ended_ms" | "updated_ms" | "name" | "size_bytes" | "duration_s" | "kind" | "rank";
                page?: string;
                since?: string;
                state?: "" | "recording" | "ready" | "interrupted";
                tag?: string;
                text?: string;
                trashed?: boolean;
                until?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssetPage"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    one_api_v1_assets__asset__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssetDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    throw_away_api_v1_assets__asset__delete: {
        parameters: {
            query?: {
                now?: boolean;
            };
            header?: never;
            path: {
                asset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssetDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    change_api_v1_assets__asset__patch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AssetChange"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssetDetails"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    file_api_v1_assets__asset__file_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description The part that was asked for. */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description As it was. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The range begins after the last byte. */
            416: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What another node gave, or a disk, is damaged. */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    file_api_v1_assets__asset__file_head: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description The part that was asked for. */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": string;
                };
            };
            /** @description As it was. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The range begins after the last byte. */
            416: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What another node gave, or a disk, is damaged. */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    poster_api_v1_assets__asset__poster_jpg_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "image/jpeg": string;
                };
            };
            /** @description As it was. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What another node gave, or a disk, is damaged. */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    restore_api_v1_assets__asset__restore_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssetDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    renew_authority_api_v1_authority_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuthorityRenewed"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    cameras_api_v1_cameras_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Cameras"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    add_api_v1_cameras_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewCamera"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Camera"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    one_api_v1_cameras__camera__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Camera"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    remove_api_v1_cameras__camera__delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    change_api_v1_cameras__camera__patch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CameraChange"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Camera"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    mjpeg_api_v1_cameras__camera__live_mjpeg_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "multipart/x-mixed-replace": string;
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    record_api_v1_cameras__camera__record_post: {
        parameters: {
            query?: {
                node?: string;
            };
            header?: never;
            path: {
                camera: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TakeOf"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    stop_api_v1_cameras__camera__record_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TakeOf"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    snapshot_api_v1_cameras__camera__snapshot_jpg_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "image/jpeg": string;
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    frame_api_v1_chunks__chunk__jpg_get: {
        parameters: {
            query: {
                asset: string;
            };
            header?: never;
            path: {
                chunk: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "image/jpeg": string;
                };
            };
            /** @description As it was. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What another node gave, or a disk, is damaged. */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    devices_api_v1_devices_get: {
        parameters: {
            query?: {
                node?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Devices"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    jobs_api_v1_jobs_get: {
        parameters: {
            query?: {
                asset?: string;
                limit?: number;
                state?: "" | "queued" | "leased" | "done" | "failed";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Jobs"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    retry_api_v1_jobs_retry_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobsAgain"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Jobs"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    layout_api_v1_layout_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LayoutTold"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    apply_layout_api_v1_layout_apply_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Orders"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    plan_layout_api_v1_layout_plan_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Orders"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    add_link_api_v1_links_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LoginLink"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    nodes_api_v1_nodes_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nodes"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admit_api_v1_nodes__name__admit_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Admitting"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    revoke_api_v1_nodes__name__revoke_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Ending"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Revoked"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    search_api_v1_search_get: {
        parameters: {
            query: {
                camera?: string;
                limit?: number;
                q: string;
                since?: string;
                type?: "" | "take" | "video" | "image" | "audio" | "other";
                until?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Found"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    who_api_v1_session_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    sign_in_api_v1_session_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedIn"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too much at once, or too many tries; come again later. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    sign_out_api_v1_session_delete: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    add_ticket_api_v1_tickets_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTicket"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TicketMade"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    tokens_api_v1_tokens_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    add_token_api_v1_tokens_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewToken"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewTokenMade"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    remove_token_api_v1_tokens__token__delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    empty_trash_api_v1_trash_delete: {
        parameters: {
            query?: {
                page?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrashEmptied"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    upload_api_v1_uploads_put: {
        parameters: {
            query: {
                name: string;
                tags?: string;
            };
            header?: {
                /** @description names this upload: sent again within a day, by the same person, it is the same asset */
                "idempotency-key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        /** @description The bytes of the file. */
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssetDetails"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nothing came for too long. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too much at once, or too many tries; come again later. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    users_api_v1_users_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Users"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    add_user_api_v1_users_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewUser"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    remove_user_api_v1_users__name__delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The role does not allow it, or the request came from a foreign page. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done as things are. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no room for it. */
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    health_health_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    segment_hls__name___segment__m4s_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                segment: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "video/iso.segment": string;
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What another node gave, or a disk, is damaged. */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    playlist_hls__name__index_m3u8_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.apple.mpegurl": string;
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What another node gave, or a disk, is damaged. */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    initialisation_hls__name__init__init__mp4_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                init: string;
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "video/mp4": string;
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What another node gave, or a disk, is damaged. */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    metrics_metrics_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    ready_ready_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It is not; the reasons say why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    offer_whep__camera__post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
            };
            cookie?: never;
        };
        /** @description An SDP offer. */
        requestBody: {
            content: {
                "application/sdp": string;
            };
        };
        responses: {
            /** @description Done. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/sdp": string;
                };
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is of another type than this takes. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It cannot be done now, or those who know do not answer; try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    end_whep__camera___session__delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
                session: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    trickle_whep__camera___session__patch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                camera: string;
                session: string;
            };
            cookie?: never;
        };
        /** @description Further ICE candidates. */
        requestBody: {
            content: {
                "application/trickle-ice-sdpfrag": string;
            };
        };
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What was sent cannot be read. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Nobody known asks: sign in, or send a token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is of another type than this takes. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description This node is not called by this host name. */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A parameter or field is wrong; the detail names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A bug of this node; its log has it by the correlation id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
}
