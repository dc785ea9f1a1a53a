/** A connection that several statements may use at once, in the order in which they came. */
export interface SharedConnection<Connection> {
  readonly connection: Connection
  /** The statement is answered; `broken` where the connection must serve no other. */
  readonly done: (broken: boolean) => void
}

interface Lane<Connection> {
  readonly connection: Promise<Connection>
  running: number
  broken: boolean
}

/**
 * Lends connections to statements that do not mind company. One is taken from `connect` when the others have
 * `maxRunning` statements each, and goes back to `release` as soon as nothing runs on it.
 */
export function shareConnections<Connection>({
  connect,
  release,
  maxRunning,
}: {
  readonly connect: () => Promise<Connection>
  readonly release: (connection: Connection, broken: boolean) => void
  readonly maxRunning: number
}): () => Promise<SharedConnection<Connection>> {
  const lanes = new Set<Lane<Connection>>()

  const freeLane = (): Lane<Connection> => {
    for (const lane of lanes) if (lane.running < maxRunning) return lane
    const lane = { connection: connect(), running: 0, broken: false }
    lanes.add(lane)
    return lane
  }

  return async () => {
    const lane = freeLane()
    lane.running += 1
    try {
      const connection = await lane.connection
      return { connection, done: (broken) => leave(lane, connection, broken) }
    } catch (error) {
      lanes.delete(lane)
      throw error
    }
  }

  function leave(lane: Lane<Connection>, connection: Connection, broken: boolean): void {
    lane.running -= 1
    lane.broken ||= broken
    if (lane.broken) lanes.delete(lane)
    if (lane.running > 0) return
    lanes.delete(lane)
    release(connection, lane.broken)
  }
}
