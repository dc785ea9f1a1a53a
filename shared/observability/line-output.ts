import { Buffer } from 'node:buffer'
import { write } from 'node:fs'

/** Where log lines go: collected, and written in blocks beside the event loop. */
export interface LineOutput {
  /** Takes a line with its line break; never waits for the reader. */
  readonly write: (line: string) => void
  /** Writes what is held back and waits for the reader, but no longer than `timeoutMs`; call it last. */
  readonly flush: (options?: { timeoutMs?: number }) => Promise<void>
}

/** Large enough to make system calls rare, small enough for a pipe. */
const blockBytes = 64 * 1024

/**
 * Lines to a file descriptor. They are written when a block is full, or after `delayMs`.
 *
 * A slow reader delays nobody but itself: what it has not taken waits here, up to `maxPendingBytes`. Beyond that lines
 * are dropped, and a line says how many. A reader that has gone away is nobody to tell.
 */
export function lineOutput({ fd = 1, delayMs = 100, maxPendingBytes = 64 * 1024 * 1024 } = {}): LineOutput {
  // Lines are encoded into blocks that are used again and again: strings of many lines, or a new block for each
  // write, keep the garbage collector busy for a quarter of all the time a request takes.
  const spare: Buffer[] = []
  const full: Buffer[] = []
  let block: Buffer = Buffer.allocUnsafe(blockBytes)
  let used = 0
  let writing: { rest: Buffer; block: Buffer } | undefined
  let dropped = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let whenWritten = () => {}

  const closeBlock = (): void => {
    if (used === 0) return
    full.push(block.subarray(0, used))
    block = spare.pop() ?? Buffer.allocUnsafe(blockBytes)
    used = 0
  }
  const writeNext = (): void => {
    const next = writing === undefined ? full.shift() : undefined
    if (next === undefined) return
    writing = { rest: next, block: next }
    write(fd, next, written)
  }
  const written = (error: NodeJS.ErrnoException | null, bytes: number): void => {
    if (writing === undefined) return
    const rest = error ? writing.rest : writing.rest.subarray(bytes)
    if (rest.length > 0 && (!error || error.code === 'EAGAIN')) {
      writing.rest = rest
      write(fd, rest, written)
      return
    }
    if (spare.length < 4 && writing.block.buffer.byteLength === blockBytes)
      spare.push(Buffer.from(writing.block.buffer))
    writing = undefined
    writeNext()
    if (writing === undefined) whenWritten()
  }
  const flushLater = (): void => {
    timer = undefined
    closeBlock()
    writeNext()
  }
  const append = (line: string): void => {
    if (used + line.length * 3 > blockBytes) {
      closeBlock()
      writeNext()
    }
    if (line.length * 3 > blockBytes) full.push(Buffer.from(line))
    else used += block.write(line, used)
    timer ??= setTimeout(flushLater, delayMs)
  }

  const tellDropped = (): void => {
    if (dropped > 0) append(droppedLine(dropped))
    dropped = 0
  }

  return {
    write(line) {
      if (full.length * blockBytes > maxPendingBytes) {
        dropped += 1
        return
      }
      tellDropped()
      append(line)
    },
    async flush({ timeoutMs = 5000 } = {}) {
      tellDropped()
      clearTimeout(timer)
      flushLater()
      // A write that has begun cannot be taken back: one beside it would tear its lines apart.
      if (writing === undefined) return
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, timeoutMs)
        whenWritten = () => {
          clearTimeout(late)
          resolve()
        }
      })
    },
  }
}

function droppedLine(count: number): string {
  return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped: count, msg: 'log lines dropped' })}\n`
}
