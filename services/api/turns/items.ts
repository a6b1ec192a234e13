import { shownProperties } from '../../protocol/clients.ts'
import { busType, type FeedItem } from '../events/feed.ts'
import type { AppendedEvent } from '../store/appended-event.ts'

/** What clients get of an event of the log. */
export function toItem(event: AppendedEvent): FeedItem {
  return {
    seq: event.tenantSeq,
    event: {
      id: event.id,
      type: busType(event.type),
      properties: shownProperties(event.type, event.data),
    },
    directory: event.directory,
  }
}
