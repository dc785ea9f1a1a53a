import { Buffer } from 'node:buffer'

/** The tag of a field that holds text, bytes or a message. */
export const bytes = (field: number) => (field << 3) | 2

/** The tag of a field that holds a number of eight bytes. */
export const eight = (field: number) => (field << 3) | 1

/** A message's length is written after it, in as many bytes as the longest may need. */
const lengthBytes = 4

/** Writes protobuf into memory that is used again. @see https://protobuf.dev/programming-guides/encoding/ */
export class Writer {
  #buffer: Buffer
  #at = 0

  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafe(size)
  }

  clear(): void {
    this.#at = 0
  }

  /** A copy: the memory is used again. */
  finish(): Buffer<ArrayBuffer> {
    return Buffer.from(this.#buffer.subarray(0, this.#at))
  }

  message(tag: number, write: () => void): void {
    const start = this.open(tag)
    write()
    this.close(start)
  }

  open(tag: number): number {
    this.#reserve(1 + lengthBytes)
    this.#buffer[this.#at] = tag
    this.#at += 1 + lengthBytes
    return this.#at
  }

  close(start: number): void {
    const length = this.#at - start
    const buffer = this.#buffer
    buffer[start - 4] = (length & 0x7f) | 0x80
    buffer[start - 3] = ((length >>> 7) & 0x7f) | 0x80
    buffer[start - 2] = ((length >>> 14) & 0x7f) | 0x80
    buffer[start - 1] = (length >>> 21) & 0x7f
  }

  copy(encoded: Uint8Array): void {
    this.#reserve(encoded.length)
    this.#buffer.set(encoded, this.#at)
    this.#at += encoded.length
  }

  text(tag: number, encoded: Uint8Array): void {
    this.#reserve(6)
    this.#buffer[this.#at++] = tag
    this.#at = writeVarint(this.#buffer, this.#at, encoded.length)
    this.copy(encoded)
  }

  hex(tag: number, digits: string): void {
    const length = digits.length / 2
    this.#reserve(2 + length)
    const buffer = this.#buffer
    buffer[this.#at++] = tag
    buffer[this.#at++] = length
    for (let at = 0; at < digits.length; at += 2)
      buffer[this.#at++] = (digitOf(digits.charCodeAt(at)) << 4) | digitOf(digits.charCodeAt(at + 1))
  }

  /** Below 128. */
  small(tag: number, value: number): void {
    this.#reserve(2)
    this.#buffer[this.#at++] = tag
    this.#buffer[this.#at++] = value
  }

  /** Nanoseconds, of milliseconds whose fraction is kept to the microsecond or so that a number holds. */
  time(tag: number, ms: number): void {
    this.#reserve(9)
    const whole = Math.floor(ms)
    const nanos = Math.round((ms - whole) * 1e6)
    // Milliseconds times a million is more than a number holds exactly: its halves are not.
    const high = Math.floor(whole / 2 ** 20)
    const low = (whole % 2 ** 20) * 1e6 + nanos
    const carried = high * 1e6
    const sum = (carried % 2 ** 12) * 2 ** 20 + low
    this.#buffer[this.#at] = tag
    this.#buffer.writeUInt32LE(sum % 2 ** 32, this.#at + 1)
    this.#buffer.writeUInt32LE(Math.floor(carried / 2 ** 12) + Math.floor(sum / 2 ** 32), this.#at + 5)
    this.#at += 9
  }

  /** Field 16, whose tag has two bytes. */
  flags(flags: number): void {
    this.#reserve(6)
    this.#buffer[this.#at] = 0x85
    this.#buffer[this.#at + 1] = 0x01
    this.#buffer.writeUInt32LE(flags, this.#at + 2)
    this.#at += 6
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe((this.#buffer.length + more) * 2)
    larger.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = larger
  }
}

/** Writes a number that is not negative. @returns where it ended. */
export function writeVarint(buffer: Buffer, from: number, value: number): number {
  let at = from
  let rest = value
  while (rest > 0x7f) {
    buffer[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  buffer[at++] = rest
  return at
}

/** `0` to `9`, `a` to `f`. */
function digitOf(code: number): number {
  return code < 58 ? code - 48 : code - 87
}
