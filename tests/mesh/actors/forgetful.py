"""What a node of a test remembers of its mesh: nothing."""


class Forgetful:
    async def load(self):
        return 0, ()

    async def save_incarnation(self, incarnation):
        pass

    async def save_book(self, book):
        pass
