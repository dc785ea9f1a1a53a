import { Buffer } from 'node:buffer'
import { write } from 'node:fs'

/** Where log lines go: collected, and written in blocks beside the event loop. */
export interface LineOutput {
  /** Takes a line with its line break; never waits for the reader. */
  readonly write: (line: string) => void
  /** Writes what is held back and waits for the reader, but no longer than `timeoutMs`; call it last. */
  readonly flush: (options?: { timeoutMs?: number }) => Promise<void>
}

/** Each block costs a turn of another thread, which writes it. */
const blockBytes = 256 * 1024
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
  const waiting: Buffer[] = []
  let waitingBytes = 0
  let writing: Buffer | undefined
  let written = 0
  let dropped = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let whenWritten = () => {}

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
    if (writing === undefined) whenWritten()
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
  const tellDropped = (): void => {
    if (dropped > 0) append(droppedLine(dropped))
    dropped = 0
  }

  return {
    write(line) {
      if (waitingBytes > maxPendingBytes) {
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
