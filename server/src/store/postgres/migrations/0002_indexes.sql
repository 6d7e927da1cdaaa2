-- Clients make send ids in the order of time (UUID version 7). With the id first, those of a moment lie together,
-- whoever sent them: a transaction of many senders' messages changes one page of the index instead of one for each
-- sender, and what is looked up is in memory.
DROP INDEX messages_by_send_id;
CREATE UNIQUE INDEX messages_by_send_id ON messages (send_id, sender_id) WHERE send_id IS NOT NULL;

-- What is left to be purged is found without looking at every conversation.
CREATE INDEX conversations_deleted ON conversations (id) WHERE deleted_at IS NOT NULL;
