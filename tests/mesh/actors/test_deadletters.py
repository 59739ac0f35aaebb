"""What is not handled is counted once in the mesh, by why; everything else is not."""

import asyncio

import pytest
from memory_network import MemoryMesh

from mesh.actors import inspection
from mesh.actors.deadletters import Reason
from mesh.actors.inspection import Inspector
from mesh.ports import Channel, Flow, NotFound, PortError, Refused, Unavailable
from proto.envelope import Envelope, Kind
from proto.messages.nodes import AskActors, AskReport

HERE, THERE = "here", "there"


class Echo:
    """Answers with what it was sent, once ``gate`` is open."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.gate.set()
        self.took = 0
        self.error = None

    async def receive(self, message, context):
        self.took += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return message


def run(work):
    async def main():
        mesh = MemoryMesh([HERE, THERE])
        echoes = {name: Echo() for name in (HERE, THERE)}
        for name, echo in echoes.items():
            mesh.systems[name].spawn("echo", echo, mailbox_max=2)
        mesh.join(HERE, THERE)
        try:
            async with asyncio.timeout(60):
                await work(mesh, echoes)
        finally:
            await mesh.close()

    asyncio.run(main())


def counted(mesh):
    """Give the dead letters of the whole mesh, those of zero left out."""
    found = {}
    for system in mesh.systems.values():
        for reason, count in system.letters.counts.items():
            if count:
                found[reason] = found.get(reason, 0) + count
    return found


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("node", [HERE, THERE])
def test_an_ask_for_an_actor_that_is_not_there_is_one_dead_letter_of_its_asker(node):
    async def work(mesh, _):
        for _ in range(3):
            with pytest.raises(Unavailable, match="no actor"):
                await mesh.systems[HERE].ask(node, "nobody", AskReport(), AskReport)
        assert counted(mesh) == {Reason.NO_ACTOR: 3}
        assert mesh.systems[HERE].letters.total == 3
        assert mesh.systems[HERE].letters.last[Reason.NO_ACTOR] == "nobody"

    run(work)


def test_a_tell_for_an_actor_that_is_not_there_is_one_dead_letter_where_it_ended():
    async def work(mesh, _):
        for _ in range(3):
            await mesh.systems[HERE].tell(THERE, "nobody", AskReport())
        await until(lambda: counted(mesh) == {Reason.NO_ACTOR: 3})
        with pytest.raises(Unavailable):
            await mesh.systems[HERE].tell(HERE, "nobody", AskReport())
        await mesh.systems[HERE].ask(THERE, "echo", AskReport(), AskReport)  # in order: nothing is on its way any more
        assert mesh.systems[HERE].letters.counts[Reason.NO_ACTOR] == 1
        assert mesh.systems[THERE].letters.counts[Reason.NO_ACTOR] == 3

    run(work)


@pytest.mark.parametrize("node", [HERE, THERE])
def test_what_a_full_mailbox_refuses_is_counted_once_each_and_what_it_takes_is_not(node):
    async def work(mesh, echoes):
        echo, system = echoes[node], mesh.systems[HERE]
        echo.gate.clear()
        asks = [asyncio.create_task(system.ask(node, "echo", AskReport(), AskReport, timeout_s=50))]
        await until(lambda: echo.took == 1)
        asks += [asyncio.create_task(system.ask(node, "echo", AskReport(), AskReport, timeout_s=50)) for _ in range(5)]
        await until(lambda: sum(task.done() for task in asks) == 3)
        for _ in range(4):
            if node == HERE:
                with pytest.raises(Unavailable):
                    await system.tell(node, "echo", AskReport())
            else:
                await system.tell(node, "echo", AskReport())
        await until(lambda: counted(mesh) == {Reason.FULL: 3 + 4})
        echo.gate.set()
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert sum(isinstance(one, AskReport) for one in answers) == 3
        assert counted(mesh) == {Reason.FULL: 7}
        (row,) = [row for row in mesh.systems[node].report() if row.name == "echo"]
        assert (row.overflows, row.handled, row.mailbox_max) == (7, 3, 2)

    run(work)


def test_asks_tells_and_streams_to_a_node_that_is_gone_are_counted_where_they_began():
    async def work(mesh, echoes):
        system = mesh.systems[HERE]
        echoes[THERE].gate.clear()
        waiting = [
            asyncio.create_task(system.ask(THERE, "echo", AskReport(), AskReport, timeout_s=50)) for _ in range(2)
        ]
        await until(lambda: echoes[THERE].took == 1)
        mesh.cut(HERE, THERE)
        for task in waiting:
            with pytest.raises(Unavailable, match="lost"):
                await task
        with pytest.raises(Unavailable):
            await system.ask(THERE, "echo", AskReport(), AskReport)
        with pytest.raises(Unavailable):
            await system.tell(THERE, "echo", AskReport())
        with pytest.raises(Unavailable):
            await system.stream(THERE, "echo", AskReport(), Flow.BULK)
        echoes[THERE].gate.set()
        await until(lambda: mesh.systems[THERE].report()[0].handled >= 1)
        assert counted(mesh) == {Reason.NODE_GONE: 5}
        assert mesh.systems[THERE].letters.total == 0

    run(work)


@pytest.mark.parametrize("node", [HERE, THERE])
def test_an_answer_that_comes_too_late_is_one_dead_letter_whether_it_was_begun_or_waited(node):
    async def work(mesh, echoes):
        system, echo = mesh.systems[HERE], echoes[node]
        echo.gate.clear()
        begun = asyncio.create_task(system.ask(node, "echo", AskReport(), AskReport, timeout_s=0.3))
        await until(lambda: echo.took == 1)
        waited = asyncio.create_task(system.ask(node, "echo", AskReport(), AskReport, timeout_s=0.05))
        for task in (begun, waited):
            with pytest.raises(Unavailable):
                await task
        echo.gate.set()
        # The echo is free again once this one is answered, and so are both others.
        await system.ask(node, "echo", AskReport(), AskReport, timeout_s=50)
        assert echo.took == 2, "what nobody waits for any more is not begun"
        assert counted(mesh) == {Reason.LATE: 2}

    run(work)


def test_what_an_actor_refuses_or_fails_at_was_delivered():
    async def work(mesh, echoes):
        for error, seen in ((Refused("no"), Refused), (NotFound("none"), NotFound), (ZeroDivisionError(), PortError)):
            echoes[THERE].error = error
            with pytest.raises(seen):
                await mesh.systems[HERE].ask(THERE, "echo", AskReport(), AskReport)
        assert counted(mesh) == {}
        (row,) = [row for row in mesh.systems[THERE].report() if row.name == "echo"]
        assert (row.errors, row.handled) == (1, 3)
        assert row.last_error.startswith("ZeroDivisionError")
        assert row.failed_ms > 0

    run(work)


def test_an_ask_that_an_actor_could_not_pass_on_is_counted_once_not_once_a_step():
    async def work(mesh, _):
        class Between:
            async def receive(self, message, context):
                return await mesh.systems[THERE].ask(THERE, "nobody", message, AskReport)

        mesh.systems[THERE].spawn("between", Between())
        for asker in (HERE, THERE):
            with pytest.raises(Unavailable):
                await mesh.systems[asker].ask(THERE, "between", AskReport(), AskReport)
        assert counted(mesh) == {Reason.NO_ACTOR: 2}

    run(work)


def test_a_stream_nobody_serves_is_counted_by_the_node_asked():
    async def work(mesh, _):
        stream = await mesh.systems[HERE].stream(THERE, "echo", AskReport(), Flow.BULK)
        with pytest.raises(PortError):
            await stream.read()
        assert mesh.systems[THERE].letters.counts[Reason.NO_ACTOR] == 1
        assert mesh.systems[HERE].letters.total == 0

    run(work)


def test_a_tell_of_a_release_to_come_is_let_go_and_counted():
    async def work(mesh, _):
        frame = Envelope(Kind.TELL, 0, "echo", bytes([0x82, 0x1A, 0x7F, 0xFF, 0xFF, 0xFF, 0x80])).pack()
        await mesh.link(HERE, THERE).send(Channel.REQUEST, frame)
        await until(lambda: counted(mesh) == {Reason.UNKNOWN: 1})

    run(work)


def test_a_stream_opened_by_a_message_of_a_release_to_come_is_refused_and_the_link_stays():
    async def work(mesh, echoes):
        frame = Envelope(Kind.STREAM, 0, "echo", bytes([0x82, 0x1A, 0x7F, 0xFF, 0xFF, 0xFF, 0x80])).pack()
        stream = await mesh.link(HERE, THERE).open_stream(Flow.BULK, frame)
        with pytest.raises(PortError):
            await stream.read()
        assert counted(mesh) == {Reason.UNKNOWN: 1}
        assert isinstance(await mesh.systems[HERE].ask(THERE, "echo", AskReport(), AskReport), AskReport)

    run(work)


def test_any_node_tells_of_any_other_what_it_supervises_and_did_not_deliver():
    async def work(mesh, echoes):
        for system in mesh.systems.values():
            Inspector(system)

        async def broken():
            raise NotFound("the lens cap is on")

        mesh.systems[THERE].supervisor.run("camera/one", broken)
        await until(lambda: any(task.errors for task in mesh.systems[THERE].supervisor.report()))
        with pytest.raises(Unavailable):
            await mesh.systems[THERE].ask(THERE, "nobody", AskReport(), AskReport)
        told = await inspection.ask(mesh.systems[HERE], THERE)
        actors = {one.name: one for one in told.actors}
        assert set(actors) == {"actors", "echo"}
        assert actors["actors"].busy == 1
        tasks = {one.name: one for one in told.tasks}
        assert "the lens cap is on" in tasks["camera/one"].last_error
        assert not [name for name in tasks if name.startswith("actor/")], "workers are told with their actor"
        assert {one.reason: one.count for one in told.dead_letters if one.count} == {"no_actor": 1}
        with pytest.raises(NotFound):
            await mesh.systems[HERE].ask(THERE, "actors", AskReport(), AskReport)
        assert AskActors() == AskActors()

    run(work)


def test_a_task_that_ran_once_is_finished_and_its_failure_kept():
    async def work(mesh, _):
        async def fails():
            raise OSError("disk on fire")

        owner = mesh.systems[HERE].supervisor
        await owner.once("errand", fails())
        (row,) = [row for row in owner.report() if row.name == "errand"]
        assert (row.state, row.errors, row.last_error) == ("finished", 1, "OSError: disk on fire")
        assert row.failed_ms > 0

    run(work)
