import type { PublishData } from '@kiln/shared'
import type { RequestCreated } from '@kiln/shared/contracts/request'

type Request = PublishData<typeof RequestCreated>

/** What `request.created` tells of a request; a test states only what matters to it. */
export function buildRequest(given: Partial<Request> = {}): Request {
  return {
    request_id: '1',
    applicant_id: 5,
    category: 'plumbing',
    description: 'It drips',
    address: 'Here',
    priority: 'normal',
    created_at: '2026-01-01T00:00:00Z',
    ...given,
  }
}
