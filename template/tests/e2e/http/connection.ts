import { connect, type Socket } from 'node:net'

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number
  /** Names in lower case; what came twice is joined by commas. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export type Sent = string | Uint8Array

/** One connection, on which a test says byte by byte what is sent. */
export class Connection {
  readonly #socket: Socket
  #received = ''
  #ended = false
  #wake = () => {}

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text) => {
      this.#received += text
      this.#wake()
    })
    // What is refused unread may end in a reset.
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  send(...parts: readonly Sent[]): void {
    for (const part of parts) this.#socket.write(part)
  }

  /**
   * The next answer, interim ones too.
   *
   * @param method decides whether a body is to come.
   * @throws when the connection ends before it is whole.
   */
  async answer(method = 'GET'): Promise<RawAnswer> {
    const { status, headers } = await this.head()
    const isEmpty = method === 'HEAD' || status < 200 || status === 204 || status === 304
    return { status, headers, body: isEmpty ? '' : decode(await this.#takeBody(headers)) }
  }

  /** The head of the next answer; what follows is left. */
  async head(): Promise<Omit<RawAnswer, 'body'>> {
    return parseHead(await this.#takeTo('\r\n\r\n'))
  }

  /** What has come so far and was not taken. */
  received(): string {
    return this.#received
  }

  /** Resolves when the server has closed it. */
  async closed(): Promise<void> {
    await this.#until(() => false)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #takeBody(headers: ReadonlyMap<string, string>): Promise<string> {
    const length = headers.get('content-length')
    if (length !== undefined) return await this.#take(Number(length))
    if (headers.get('transfer-encoding') === 'chunked') return await this.#takeChunks()
    await this.closed()
    return await this.#take(this.#received.length)
  }

  async #takeChunks(): Promise<string> {
    let body = ''
    for (;;) {
      const size = Number.parseInt(await this.#takeTo('\r\n'), 16)
      body += (await this.#take(size + 2)).slice(0, size)
      if (size === 0) return body
    }
  }

  async #takeTo(end: string): Promise<string> {
    await this.#until(() => this.#received.includes(end))
    const at = this.#received.indexOf(end)
    if (at === -1) throw new Error(`the connection has ended after ${JSON.stringify(this.#received)}`)
    return (await this.#take(at + end.length)).slice(0, at)
  }

  async #take(length: number): Promise<string> {
    await this.#until(() => this.#received.length >= length)
    if (this.#received.length < length) throw new Error('the connection has ended within an answer')
    const taken = this.#received.slice(0, length)
    this.#received = this.#received.slice(length)
    return taken
  }

  async #until(enough: () => boolean): Promise<void> {
    while (!enough() && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function parseHead(head: string): Omit<RawAnswer, 'body'> {
  const [first = '', ...lines] = head.split('\r\n')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const at = line.indexOf(':')
    const name = line.slice(0, at).toLowerCase()
    const value = line.slice(at + 1).trim()
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value)
  }
  return { status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]), headers }
}

const decode = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8')
