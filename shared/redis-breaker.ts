import type { Cluster, Command, Redis } from 'ioredis'
import type { Breaker } from './resilience/breaker.ts'

/** What ioredis gives to `sendCommand`; its types leave out what it keeps of a pipeline. */
type Sent = Command & { readonly pipelineIndex?: number }

type SendCommand = (command: Sent, ...rest: never[]) => unknown

/** Answers of a server that cannot serve now. */
const unavailable = /^(LOADING|CLUSTERDOWN|MASTERDOWN)\b/

/**
 * Lets a breaker stand before a client: while it is open commands fail at once, a pipeline as one, instead of waiting for
 * a server that does not answer.
 */
export function guardCommands(client: Redis | Cluster, breaker: Breaker): void {
  const send: SendCommand = client.sendCommand.bind(client)
  let refusal: Error | undefined

  /** Of a pipeline the first command stands for all: one that was left out would keep the others from being sent. */
  const ask = (command: Sent): void => {
    refusal = undefined
    try {
      breaker.admit()
    } catch (error) {
      refusal = error as Error
      return
    }
    command.promise.then(breaker.succeeded, (error: unknown) => {
      if (isAnswer(error)) breaker.succeeded()
      else breaker.failed(error)
    })
  }

  const guarded: SendCommand = (command, ...rest) => {
    // What is sent while connecting is the client's own.
    if (client.status === 'connect') return send(command, ...rest)
    if (!command.pipelineIndex) ask(command)
    if (refusal === undefined) return send(command, ...rest)
    command.reject(refusal)
    return command.promise
  }
  client.sendCommand = guarded
}

function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && !unavailable.test(error.message)
}
