"""Failed jobs are tried again when somebody who may says so: by the API and by the command."""

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from lone_node import as_role, listening, running

from mesh.core.jobs import FRAMES, SCENES, SCENES_VERSION, Work, fields_of, new_job
from mesh.core.rows import Change
from proto.ids import AssetId

THATDAM = str(Path(sys.executable).parent / "thatdam")
ONE, OTHER = AssetId("1" * 26), AssetId("2" * 26)
OLD, CUT = Work(FRAMES, "a model nobody has@1"), Work(SCENES, SCENES_VERSION)


def failed(asset, work, state="failed"):
    made = dataclasses.replace(new_job(asset, work, 1), state=state, attempts=5, error="no picture", tried=("a",))
    return Change("jobs", asset, made.job, set=fields_of(made))


def test_failed_jobs_are_queued_again_for_one_asset_or_for_all(tmp_path):
    async def main():
        async with running(tmp_path / "n") as (node, app):
            for asset in (ONE, OTHER):
                fields = {"name": "x", "kind": "other", "state": "ready", "probed": "1"}
                await node.catalogue.write(Change("assets", asset, set=fields), failed(asset, OLD))
            await node.catalogue.write(failed(ONE, CUT, "done"))
            viewer, operator = await as_role(node, app, "viewer"), await as_role(node, app, "operator")
            assert (await viewer.post("/api/v1/jobs/retry", json={"asset": ONE})).status_code == 403
            assert (await operator.post("/api/v1/jobs/retry", json={"asset": "nosuch"})).status_code == 404
            assert (await operator.post("/api/v1/jobs/retry", json={"asset": 5})).status_code == 422

            async def states():
                shown = (await operator.get("/api/v1/jobs")).json()["jobs"]
                return {(one["asset"], one["kind"], one["state"], one["attempts"]) for one in shown}

            answer = await operator.post("/api/v1/jobs/retry", json={"asset": ONE})
            assert [(one["asset"], one["state"]) for one in answer.json()["jobs"]] == [(ONE, "queued")]
            done = (ONE, SCENES, "done", 5)
            assert await states() == {(ONE, FRAMES, "queued", 0), (OTHER, FRAMES, "failed", 5), done}

            token = operator.headers["Authorization"].removeprefix("Bearer ")
            async with listening(app) as port:
                access = {"url": f"http://127.0.0.1:{port}", "token": token}
                (tmp_path / "n" / "cli.json").write_text(json.dumps(access))

                async def thatdam(*words):
                    process = await asyncio.create_subprocess_exec(
                        THATDAM, "jobs", *words, "--data", str(tmp_path / "n"), stdout=-1, stderr=-1
                    )
                    out, err = await process.communicate()
                    return process.returncode, out.decode(), err.decode()

                assert (await thatdam("retry"))[0] == 2
                code, out, err = await thatdam("retry", "--all", "--json")
                assert code == 0, err
                assert [(one["asset"], one["state"]) for one in json.loads(out)] == [(OTHER, "queued")]
                assert (await thatdam("retry", "--all"))[1].strip() == "no failed jobs"
                code, out, err = await thatdam("--json")
                assert len(json.loads(out)) == 3, err
            assert await states() == {(ONE, FRAMES, "queued", 0), (OTHER, FRAMES, "queued", 0), done}

    asyncio.run(main())
