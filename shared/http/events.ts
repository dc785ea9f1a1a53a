import { Elysia } from 'elysia'
import { AppError } from '../errors.ts'
import { EventError } from '../events/errors.ts'
import type { EventOperations } from '../events/operations.ts'
import type { Auth } from './auth.ts'
import { bearerAuth } from './docs.ts'
import {
  ChooseLetters,
  LetterList,
  LetterOpened,
  LetterParams,
  LettersDone,
  ListLetters,
  PausedShown,
  ReplayList,
  ReplayParams,
  ReplayShown,
  StartReplay,
  SubscriptionList,
  SubscriptionParams,
  showLetter,
  showReplay,
  showSubscription,
} from './event-schemas.ts'
import { SharedError } from './problem-errors.ts'
import type { Principal } from './request-context.ts'

export interface EventRoutesOptions<Role extends string> {
  readonly auth: Auth<Role>
  /** Who may look after events. */
  readonly operators: readonly Role[]
  readonly operations: EventOperations
}

/** `/api/events`: subscriptions, dead letters and replays, for operators. */
export function eventRoutes<Role extends string>({ auth, operators, operations }: EventRoutesOptions<Role>) {
  const { deadLetters } = operations
  const bulk = { params: SubscriptionParams, body: ChooseLetters, response: LettersDone }
  return new Elysia({
    name: 'events',
    prefix: '/api/events',
    detail: { tags: ['events'], security: bearerAuth },
  })
    .use(auth.authenticated)
    .onBeforeHandle(auth.requireRole(...operators))
    .get(
      '/subscriptions',
      async () => ({ items: (await reached(operations.subscriptions())).map(showSubscription) }),
      { response: SubscriptionList, detail: { summary: 'Subscriptions, and how far each is behind' } },
    )
    .post(
      '/subscriptions/:subscription/pause',
      async ({ params: { subscription } }) => {
        await reached(operations.setPaused(subscription, true))
        return { subscription, paused: true }
      },
      {
        params: SubscriptionParams,
        response: PausedShown,
        detail: { summary: 'Stop reading, in every process and across restarts' },
      },
    )
    .post(
      '/subscriptions/:subscription/resume',
      async ({ params: { subscription } }) => {
        await reached(operations.setPaused(subscription, false))
        return { subscription, paused: false }
      },
      { params: SubscriptionParams, response: PausedShown, detail: { summary: 'Read again' } },
    )
    .get(
      '/subscriptions/:subscription/dead-letters',
      async ({ params, query: { from, to, ...query } }) => {
        const page = await reached(
          deadLetters.list(params.subscription, { ...query, ...timesOf({ from, to }) }),
        )
        return { items: page.items.map(showLetter), next: page.next ?? null }
      },
      {
        params: SubscriptionParams,
        query: ListLetters,
        response: LetterList,
        detail: { summary: 'Events that were given up, oldest first' },
      },
    )
    .get(
      '/subscriptions/:subscription/dead-letters/:tag/:entry',
      async ({ params: { subscription, tag, entry } }) =>
        showLetter(await reached(operations.deadLetter(subscription, `${tag}/${entry}`))),
      { params: LetterParams, response: LetterOpened, detail: { summary: 'Look at one' } },
    )
    .post('/subscriptions/:subscription/dead-letters/redrive', eachOf(operations.redrive), {
      ...bulk,
      detail: { summary: 'Deliver dead letters again, to this subscription only' },
    })
    .post('/subscriptions/:subscription/dead-letters/purge', eachOf(operations.purge), {
      ...bulk,
      detail: { summary: 'Destroy dead letters' },
    })
    .get(
      '/replays',
      async () => ({ items: (await reached(operations.replays())).map((job) => showReplay(job)) }),
      {
        response: ReplayList,
        detail: { summary: 'Replays, newest first' },
      },
    )
    .post(
      '/replays',
      async ({ body, status }) => {
        const job = await reached(operations.replay(replayOf(body)))
        return body.dry_run ? status(200, showReplay(job, true)) : status(201, showReplay(job))
      },
      {
        body: StartReplay,
        response: { 200: ReplayShown, 201: ReplayShown },
        detail: { summary: 'Handle past events again; 200 where they are only counted' },
      },
    )
    .get('/replays/:id', async ({ params }) => showReplay(await reached(operations.replayOf(params.id))), {
      params: ReplayParams,
      response: ReplayShown,
      detail: { summary: 'How far a replay is' },
    })
    .post(
      '/replays/:id/cancel',
      async ({ params }) => {
        await reached(operations.cancelReplay(params.id))
        return showReplay(await reached(operations.replayOf(params.id)))
      },
      { params: ReplayParams, response: ReplayShown, detail: { summary: 'End a replay; once is enough' } },
    )
}

/** What is neither our own error nor the events' is a server that cannot be reached. */
async function reached<Result>(asked: Promise<Result>): Promise<Result> {
  try {
    return await asked
  } catch (cause) {
    if (cause instanceof AppError || cause instanceof EventError) throw cause
    throw new SharedError('EVENTS_UNAVAILABLE', 'The event server cannot be reached', { cause })
  }
}

type Times = Readonly<Record<'from' | 'to', string | undefined>>

function timesOf({ from, to }: Times): { from?: Date; to?: Date } {
  return {
    ...(from !== undefined && { from: new Date(from) }),
    ...(to !== undefined && { to: new Date(to) }),
  }
}

function chosen({ ids, all, type, error, from, to }: ChooseLetters) {
  const filtered = [type, error, from, to].some((value) => value !== undefined)
  const said = [ids !== undefined, filtered, all === true].filter(Boolean).length
  if (said !== 1) {
    const errors = [{ path: '', message: 'give ids, or a filter, or all: true' }]
    throw new SharedError('VALIDATION_FAILED', 'The body is not valid', { errors })
  }
  return ids ?? { ...(type && { type }), ...(error && { error }), ...timesOf({ from, to }) }
}

interface Bulk {
  readonly params: { readonly subscription: string }
  readonly body: ChooseLetters
  readonly principal: Principal
  readonly request: Request
}

/** Answers with how many of the chosen letters something was done to. */
function eachOf(act: EventOperations['redrive' | 'purge']) {
  return async ({ params, body, principal, request }: Bulk) => ({
    count: await reached(act(params.subscription, chosen(body), bulkOf(body, principal, request))),
  })
}

function bulkOf(
  { max_count = 1000, per_second = 100 }: ChooseLetters,
  { userId }: Principal,
  request: Request,
) {
  return { by: `user/${userId}`, maxCount: max_count, perSecond: per_second, signal: request.signal }
}

function replayOf({ from, to, max_count, per_second, dry_run, ...rest }: StartReplay) {
  const isTime = from?.includes('T')
  return {
    ...rest,
    ...(from !== undefined && { from: isTime ? new Date(from) : from }),
    ...(to !== undefined && { to: new Date(to) }),
    ...(max_count !== undefined && { maxCount: max_count }),
    ...(per_second !== undefined && { perSecond: per_second }),
    ...(dry_run !== undefined && { dryRun: dry_run }),
  }
}
