import type { Cluster, Command, Redis } from 'ioredis'
import { currentWork, type WorkContext } from './context.ts'

/** A command, script or pipeline that was answered, or failed. Times are those of `performance.now()`. */
export interface EndedCommand {
  /** `XADD`; of a pipeline its first. */
  readonly name: string
  /** Of a script its name; its hash where nobody named it. */
  readonly script: string | undefined
  /** How many commands were sent together. */
  readonly batchSize: number
  /** The work that asked for it. */
  readonly work: WorkContext | undefined
  readonly startedAtMs: number
  readonly endedAtMs: number
  readonly error: unknown
  /** It waited for something to happen, so its duration says nothing of the server. */
  readonly blocking: boolean
}

/** Where tracing and metrics of Redis attach. Must not throw. */
export interface RedisObserver {
  readonly command: (ended: EndedCommand) => void
  /** A connection was lost, and is tried again. */
  readonly reconnecting: (connection: string) => void
}

/** What ioredis gives to `sendCommand`; its types leave out what it keeps of a pipeline. */
type Sent = Command & { readonly pipelineIndex?: number }

type SendCommand = (command: Sent, ...rest: never[]) => unknown

interface Group {
  size: number
}

const waits = new Set([
  'xread',
  'xreadgroup',
  'blpop',
  'brpop',
  'blmove',
  'bzpopmin',
  'bzpopmax',
  'wait',
  'waitaof',
])

/**
 * Tells the observer about everything that a client sends, a pipeline as one. What connects, and what subscribes, is
 * told as well.
 *
 * @param connection what the connection is for, as `reconnecting` names it.
 * @param scripts the names of scripts, by SHA-1.
 */
export function observeCommands(
  client: Redis | Cluster,
  observer: RedisObserver,
  { connection, scripts }: { connection: string; scripts: ReadonlyMap<string, string> },
): void {
  const send: SendCommand = client.sendCommand.bind(client)
  const seen = new WeakSet<Sent>()
  let group: Group = { size: 0 }

  const watch = (command: Sent, together: Group): void => {
    const work = currentWork()
    const startedAtMs = performance.now()
    const name = command.name.toUpperCase()
    const isScript = name === 'EVALSHA' || name === 'EVALSHA_RO'
    const sha = isScript ? String(command.args[0]) : ''
    const ended = (error: unknown) =>
      observer.command({
        name,
        script: isScript ? (scripts.get(sha) ?? sha.slice(0, 8)) : undefined,
        batchSize: together.size,
        work,
        startedAtMs,
        endedAtMs: performance.now(),
        error,
        blocking: waits.has(command.name),
      })
    command.promise.then(() => ended(undefined), ended)
  }

  const observed: SendCommand = (command, ...rest) => {
    const isFirst = !command.pipelineIndex
    if (isFirst) group = { size: 0 }
    group.size += 1
    // A command that waited for the connection comes a second time.
    if (isFirst && !seen.has(command)) watch(command, group)
    if (isFirst) seen.add(command)
    return send(command, ...rest)
  }
  client.sendCommand = observed
  client.on('reconnecting', () => observer.reconnecting(connection))
}
