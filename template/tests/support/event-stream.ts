/** One server-sent event; `data` parsed. */
export interface SentEvent {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: unknown
}

/** Reads the server-sent events of a response, as they come. */
export function readEventStream(response: Response) {
  const received: SentEvent[] = []
  const state = { text: '', ended: false }
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  const done = (async () => {
    for (;;) {
      const chunk = await reader?.read()
      if (chunk === undefined || chunk.done) break
      state.text += chunk.value
      const blocks = state.text.split('\n\n')
      state.text = blocks.pop() ?? ''
      for (const block of blocks) received.push(parse(block))
    }
    state.ended = true
  })().catch(() => {
    state.ended = true
  })
  return {
    received,
    /** Those that carry data. */
    events: () => received.filter(({ event }) => event !== undefined),
    ended: () => state.ended,
    done,
    close: () => reader?.cancel() ?? Promise.resolve(),
  }
}

function parse(block: string): SentEvent {
  const field = (name: string) =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2)
  const data = field('data')
  return { id: field('id'), event: field('event'), data: data === undefined ? undefined : JSON.parse(data) }
}
