import { BatchError } from '../errors.ts'
import type { Delivery } from './delivery.ts'
import type { Failure } from './invocations.ts'

/** What becomes of a batch that failed: some deliveries are decided, the others handled once more. */
export interface BatchVerdict {
  readonly decided: readonly { readonly delivery: Delivery; readonly failure: Failure | undefined }[]
  readonly again: readonly (readonly Delivery[])[]
}

/**
 * Blames the culprits that the handler named, all where a dependency failed, and else halves the batch until the culprit
 * stands alone.
 *
 * @param transactional what the others wrote was rolled back with the culprits: they are not done.
 */
export function judgeBatch(
  deliveries: readonly Delivery[],
  error: unknown,
  {
    transactional,
    isDependency,
  }: { readonly transactional: boolean; readonly isDependency: (error: unknown) => boolean },
): BatchVerdict {
  if (error instanceof BatchError) {
    const failures = new Map(error.failures.map((failure) => [failure.id, failure]))
    const verdicts = deliveries.map((delivery) => ({
      delivery,
      failure: failures.get(delivery.received?.event.id ?? ''),
    }))
    if (!transactional) return { decided: verdicts, again: [] }
    const culprits = verdicts.filter(({ failure }) => failure)
    const others = verdicts.filter(({ failure }) => !failure).map(({ delivery }) => delivery)
    if (culprits.length > 0) return { decided: culprits, again: others.length > 0 ? [others] : [] }
  }
  if (deliveries.length === 1 || isDependency(error)) {
    return { decided: deliveries.map((delivery) => ({ delivery, failure: { error } })), again: [] }
  }
  const middle = Math.ceil(deliveries.length / 2)
  return { decided: [], again: [deliveries.slice(0, middle), deliveries.slice(middle)] }
}
