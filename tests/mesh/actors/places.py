"""Where tombstones are kept, in memory."""

from mesh.ports import NotFound


class Places:
    """A disk and a database with one value each."""

    def __init__(self):
        self.files, self.values = {}, {}

    async def read(self, path):
        if path not in self.files:
            raise NotFound(path)
        return self.files[path]

    async def write(self, path, data):
        self.files[path] = data

    async def meta(self, key):
        return self.values.get(key)

    async def set_meta(self, key, value):
        self.values[key] = value
