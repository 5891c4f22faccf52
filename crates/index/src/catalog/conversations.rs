//! Conversations and the models in use, as the caller wants them kept.

use carrel_corpus::DocumentId;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::{Conversation, ModelUse, Result};

pub(crate) fn save(tx: &Transaction, conversation: &Conversation) -> Result<()> {
    let Conversation { id, title, body, created, updated, documents } = conversation;
    tx.execute(
        "INSERT INTO conversations (id, title, body, created, updated) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET title = excluded.title, body = excluded.body,
             updated = excluded.updated",
        params![id, title, body, created, updated],
    )?;
    tx.execute("DELETE FROM conversation_documents WHERE conversation = ?1", [id])?;
    for document in documents {
        tx.execute(
            "INSERT OR IGNORE INTO conversation_documents (conversation, document)
             SELECT ?1, id FROM documents WHERE id = ?2",
            params![id, document.0],
        )?;
    }
    Ok(())
}

fn conversation(row: &Row) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        id: row.get(0)?,
        title: row.get(1)?,
        body: row.get(2)?,
        created: row.get(3)?,
        updated: row.get(4)?,
        documents: Vec::new(),
    })
}

const CONVERSATION: &str = "SELECT id, title, body, created, updated FROM conversations";

pub(crate) fn one(tx: &Transaction, id: &str) -> Result<Option<Conversation>> {
    let found = tx.query_row(&format!("{CONVERSATION} WHERE id = ?1"), [id], conversation).optional()?;
    let Some(mut found) = found else { return Ok(None) };
    found.documents = tx
        .prepare("SELECT document FROM conversation_documents WHERE conversation = ?1 ORDER BY document")?
        .query_map([id], |row| Ok(DocumentId(row.get(0)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(found))
}

/// All conversations, last used first, without the documents that each quotes.
pub(crate) fn all(tx: &Transaction) -> Result<Vec<Conversation>> {
    let mut statement = tx.prepare(&format!("{CONVERSATION} ORDER BY updated DESC, id"))?;
    Ok(statement.query_map([], conversation)?.collect::<rusqlite::Result<_>>()?)
}

/// Whether there was one to delete.
pub(crate) fn delete(tx: &Transaction, id: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM conversations WHERE id = ?1", [id])? > 0)
}

pub(crate) fn use_model(tx: &Transaction, model: &ModelUse) -> Result<()> {
    tx.execute(
        "INSERT INTO models (role, name, digest) VALUES (?1, ?2, ?3)
         ON CONFLICT (role) DO UPDATE SET name = excluded.name, digest = excluded.digest",
        params![model.role, model.name, model.digest],
    )?;
    Ok(())
}

pub(crate) fn models(tx: &Transaction) -> Result<Vec<ModelUse>> {
    let mut statement = tx.prepare("SELECT role, name, digest FROM models ORDER BY role")?;
    let models = statement
        .query_map([], |row| Ok(ModelUse { role: row.get(0)?, name: row.get(1)?, digest: row.get(2)? }))?;
    Ok(models.collect::<rusqlite::Result<_>>()?)
}
