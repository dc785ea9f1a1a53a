import { Buffer } from 'node:buffer'
import { write, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Where log lines go: collected, and written in blocks beside the event loop. */
export interface LineOutput {
  /** Takes a line with its line break; never waits for the reader. */
  readonly write: (line: string) => void
  /** Waits for the write that is under way, a second at most, then does as `flushSync`; call it last. */
  readonly flush: () => Promise<void>
  /** Writes what is held back, waiting for the reader. What is just being written is left to the system. */
  readonly flushSync: () => void
}

/** Large enough to make system calls rare, small enough for a pipe. */
const blockBytes = 64 * 1024
const textLength = 4 * 1024

/**
 * Lines to a file descriptor. They are written when a block is full, or after `delayMs`.
 *
 * A slow reader delays nobody but itself: what it has not taken waits here, up to `maxPendingBytes`. Beyond that lines
 * are dropped, and a line says how many. A reader that has gone away is nobody to tell.
 */
export function lineOutput({ fd = 1, delayMs = 100, maxPendingBytes = 64 * 1024 * 1024 } = {}): LineOutput {
  // A few lines are encoded at a time, into memory that is used again: one by one costs more, and much text that waits
  // keeps the garbage collector busy.
  let text = ''
  let block: Buffer = Buffer.allocUnsafe(blockBytes)
  let spare: Buffer | undefined = Buffer.allocUnsafe(blockBytes)
  let used = 0
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let writing: Buffer | undefined
  let written = 0
  let dropped = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const encode = (): void => {
    // A character of a string is three bytes at most.
    if (used + text.length * 3 > blockBytes) {
      closeBlock()
      writeNext()
    }
    if (text.length * 3 > blockBytes) {
      const long = Buffer.from(text)
      waiting.push(long)
      waitingBytes += long.length
    } else {
      used += block.write(text, used)
    }
    text = ''
  }
  const closeBlock = (): void => {
    if (used === 0) return
    waiting.push(block.subarray(0, used))
    waitingBytes += used
    block = spare ?? Buffer.allocUnsafe(blockBytes)
    spare = undefined
    used = 0
  }
  const writeNext = (): void => {
    if (writing !== undefined) return
    writing = waiting.shift()
    written = 0
    if (writing !== undefined) write(fd, writing, 0, writing.length, null, onWritten)
  }
  const onWritten = (error: NodeJS.ErrnoException | null, bytes: number): void => {
    if (writing === undefined) return
    if (!error) written += bytes
    if (error?.code === 'EAGAIN') {
      setTimeout(continueWriting, 10)
      return
    }
    if (!error && written < writing.length) {
      continueWriting()
      return
    }
    waitingBytes -= writing.length
    if (writing.buffer.byteLength === blockBytes) spare ??= Buffer.from(writing.buffer)
    writing = undefined
    writeNext()
  }
  const continueWriting = (): void => {
    if (writing !== undefined) write(fd, writing, written, writing.length - written, null, onWritten)
  }
  const flushLater = (): void => {
    timer = undefined
    encode()
    closeBlock()
    writeNext()
  }
  const append = (line: string): void => {
    text += line
    if (text.length > textLength) encode()
    timer ??= setTimeout(flushLater, delayMs)
  }
  const flushSync = (): void => {
    if (dropped > 0) append(droppedLine(dropped))
    dropped = 0
    clearTimeout(timer)
    timer = undefined
    encode()
    closeBlock()
    const rest = waiting
    waiting = []
    for (const part of rest) {
      writeAll(fd, part)
      waitingBytes -= part.length
    }
  }

  return {
    write(line) {
      if (waitingBytes > maxPendingBytes) {
        dropped += 1
        return
      }
      if (dropped > 0) {
        append(droppedLine(dropped))
        dropped = 0
      }
      append(line)
    },
    async flush() {
      const deadline = Date.now() + 1000
      while (writing !== undefined && Date.now() < deadline) await delay(1)
      flushSync()
    },
    flushSync,
  }
}

function droppedLine(count: number): string {
  return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped: count, msg: 'log lines dropped' })}\n`
}

function writeAll(fd: number, block: Buffer): void {
  let from = 0
  while (from < block.length) {
    try {
      from += writeSync(fd, block, from)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
    }
  }
}
