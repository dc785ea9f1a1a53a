import { eventually } from '@kiln/shared/testing'
import { Redis } from 'ioredis'
import type { RunningService } from '../../tests/support/process.ts'
import { type Placeholder, placeholders } from './known.ts'

const subscription = 'notify-dispatcher'
const letters = `/api/events/subscriptions/${subscription}/dead-letters`

export interface SuppliesOptions {
  readonly service: RunningService
  readonly password: string
  /** Somebody new who can log in. */
  readonly newcomer: () => Promise<string>
  readonly asAdmin: (method: string, path: string, body?: unknown) => Promise<Response>
}

type Values = Partial<Record<Placeholder, string>>

/** What requests need to succeed, made when it is asked for: a token, an id, a dead letter. */
export function createSupplies({ service, password, newcomer, asAdmin }: SuppliesOptions) {
  const redis = new Redis(service.env.SERVICE_REDIS_URL ?? '')
  const state: { email?: string; user?: string | undefined; replay?: string } = {}

  const json = async <Body>(answer: Promise<Response>) => (await (await answer).json()) as Body

  const logIn = async (): Promise<string> => {
    state.email ??= await newcomer()
    const body = JSON.stringify({ email: state.email, password })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${service.url}/api/auth/login`, { method: 'POST', headers, body })
    if (answer.ok) return ((await answer.json()) as { refresh_token: string }).refresh_token
    // Some request has deactivated them.
    delete state.email
    return await logIn()
  }
  const userId = async (): Promise<string> => {
    const made = async () => await json<{ id: number }>(asAdmin('POST', '/api/users', { first_name: 'Some' }))
    state.user ??= String((await made()).id)
    return state.user
  }
  const letter = async (): Promise<string> => {
    const first = async () =>
      (await json<{ items: { id: string }[] }>(asAdmin('GET', `${letters}?limit=1`))).items[0]
    const there = await first()
    if (there) return there.id
    await asAdmin('POST', `/api/events/subscriptions/${subscription}/resume`)
    const stream = `${service.env.SERVICE_EVENTS_PREFIX}:{request}`
    for (let count = 0; count < 20; count += 1)
      await redis.xadd(stream, '*', 'type', 'request.created', 'data', '{')
    return await eventually(async () => {
      const item = await first()
      if (item === undefined) throw new Error('no dead letter arrives')
      return item.id
    })
  }
  const replay = async (): Promise<string> => {
    const made = async () =>
      json<{ id: string }>(asAdmin('POST', '/api/events/replays', { subscription, last: 1 }))
    state.replay ??= (await made()).id
    return state.replay
  }

  const supply: Readonly<Record<Placeholder, (known: Values) => string | Promise<string>>> = {
    '{email}': async () => {
      await logIn()
      return state.email ?? ''
    },
    '{password}': () => password,
    '{refresh token}': logIn,
    '{password token}': async () =>
      (await json<{ token: string }>(asAdmin('POST', `/api/users/${await userId()}/password-token`))).token,
    '{user}': userId,
    '{subscription}': () => subscription,
    '{letter}': letter,
    '{tag}': async (known) => (known['{letter}'] ?? (await letter())).split('/')[0] ?? '',
    '{entry}': async (known) => (known['{letter}'] ?? (await letter())).split('/')[1] ?? '',
    '{replay}': replay,
  }

  return {
    /** A request's texts with everything in its place. */
    async fill(texts: readonly string[]): Promise<readonly string[]> {
      const values: Values = {}
      const wanted = (placeholder: Placeholder) =>
        texts.some((text) => text.includes(placeholder) || text.includes(encodeURIComponent(placeholder)))
      if (wanted('{tag}') || wanted('{entry}')) values['{letter}'] = await letter()
      for (const placeholder of placeholders.filter(wanted))
        values[placeholder] = await supply[placeholder](values)
      return texts.map((text) =>
        placeholders.reduce((filled, placeholder) => {
          const value = values[placeholder] ?? placeholder
          return filled
            .replaceAll(placeholder, () => value)
            .replaceAll(encodeURIComponent(placeholder), () => encodeURIComponent(value))
        }, text),
      )
    },
    /** The user is deactivated now: the next is another one. */
    used(): void {
      state.user = undefined
    },
    close: () => redis.disconnect(),
  }
}
