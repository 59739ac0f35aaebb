"""Pure protocol cores: ``handle(event, now) -> effects``. Nothing here touches clock, socket, file or chance."""
