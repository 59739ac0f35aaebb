"""A process that writes rows to a database and tells which it was told are durable, until it is killed."""

import asyncio
import sys
from pathlib import Path

from mesh.adapters.tables import SqliteTables


async def write_all(tables, acknowledged):
    """Write pairs of rows, always both of a pair in one transaction; ``acknowledged`` hears the number."""
    await tables.write(lambda sql: sql.execute("CREATE TABLE pairs (n INTEGER, half TEXT)"))
    for number in range(1, 100_000):

        def pair(sql, number=number):
            sql.execute("INSERT INTO pairs VALUES (?, 'one')", (number,))
            sql.execute("INSERT INTO pairs VALUES (?, 'other')", (number,))

        await tables.write(pair)
        acknowledged(number)


def tell(number):
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write_all(SqliteTables(Path(sys.argv[1])), tell))
