//! Who may do what in a conversation: one pure function, its whole matrix in one table test.
//!
//! It knows no database and no clock. Whoever asks must have read the facts in the transaction that
//! then acts on the answer.

use chat_shared::api::{ConversationKind, Role, Visibility};

/// What stands about the caller and the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// What the conversation is.
    pub kind: ConversationKind,
    /// Of a group.
    pub visibility: Option<Visibility>,
    /// The caller's role; `None`: not a member.
    pub role: Option<Role>,
}

/// What the caller wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read anything of it: history, members, changes, threads, edits.
    Read,
    /// Post, type, reply.
    Write,
    /// Add or take back a reaction of one's own.
    React,
    /// Write a message anew.
    Edit {
        /// Is it the caller's own?
        own: bool,
    },
    /// Delete a message.
    Delete {
        /// Is it the caller's own?
        own: bool,
    },
    /// Become a member.
    Join,
    /// Stop being one.
    Leave {
        /// Is the caller the only owner?
        last_owner: bool,
    },
    /// Change name, topic or visibility.
    EditGroup,
    /// Delete the group.
    DeleteGroup,
    /// Make somebody else a member.
    Add {
        /// With this role.
        role: Role,
    },
    /// Take somebody else out.
    Remove {
        /// Who has this role.
        role: Role,
    },
    /// Give a member (perhaps oneself) another role.
    ChangeRole {
        /// Would the group be left without an owner?
        orphans: bool,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The caller may not know that it exists.
    NotFound,
    /// The caller sees it but may not do this.
    Forbidden(&'static str),
    /// Nobody could, as things stand.
    Conflict(&'static str),
}

const LAST_OWNER: &str =
    "The group would have no owner. Make somebody else an owner first, or delete the group.";

/// May the caller do it?
pub fn may(scene: Scene, action: Action) -> Result<(), Denied> {
    use Action::*;
    let group = scene.kind == ConversationKind::Group;
    let Some(role) = scene.role else {
        // Only one door is open to people outside.
        let open = group && scene.visibility == Some(Visibility::Public);
        return if open && action == Join { Ok(()) } else { Err(Denied::NotFound) };
    };
    let runs = group && role != Role::Member;
    match action {
        Read | Write | React | Edit { own: true } | Delete { own: true } => Ok(()),
        Edit { own: false } => Err(Denied::Forbidden("Only its writer can edit a message.")),
        Delete { own: false } if runs => Ok(()),
        Delete { own: false } => {
            Err(Denied::Forbidden("Only its writer or a moderator of the group can delete a message."))
        }
        // Membership and roles are things of groups; to group calls a direct is not there.
        _ if !group => Err(Denied::NotFound),
        Join => Ok(()),
        Leave { last_owner: true } | ChangeRole { orphans: true } if role == Role::Owner => {
            Err(Denied::Conflict(LAST_OWNER))
        }
        Leave { .. } => Ok(()),
        ChangeRole { .. } | DeleteGroup if role == Role::Owner => Ok(()),
        ChangeRole { .. } => Err(Denied::Forbidden("Only an owner of the group can change roles.")),
        DeleteGroup => Err(Denied::Forbidden("Only an owner can delete the group.")),
        EditGroup if runs => Ok(()),
        EditGroup => Err(Denied::Forbidden("Only an owner or a moderator can change the group.")),
        Add { role: Role::Member } if runs => Ok(()),
        Add { .. } if role == Role::Owner => Ok(()),
        Add { role: Role::Member } => Err(Denied::Forbidden("Only an owner or a moderator can add members.")),
        Add { .. } => Err(Denied::Forbidden("Only an owner can add somebody as owner or moderator.")),
        Remove { role: Role::Owner } if role == Role::Owner => Ok(()),
        Remove { role: Role::Owner } => Err(Denied::Forbidden("Only an owner can remove an owner.")),
        Remove { .. } if runs => Ok(()),
        Remove { .. } => Err(Denied::Forbidden("Only an owner or a moderator can remove members.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` allowed, `f` forbidden, `c` conflict, `.` not found.
    fn mark(scene: Scene, action: Action) -> char {
        match may(scene, action) {
            Ok(()) => '+',
            Err(Denied::Forbidden(_)) => 'f',
            Err(Denied::Conflict(_)) => 'c',
            Err(Denied::NotFound) => '.',
        }
    }

    #[test]
    fn the_whole_matrix() {
        use Role::{Member, Moderator, Owner};
        let group =
            |visibility, role| Scene { kind: ConversationKind::Group, visibility: Some(visibility), role };
        let direct = |role| Scene { kind: ConversationKind::Direct, visibility: None, role };
        let callers = [
            group(Visibility::Public, Some(Owner)),
            group(Visibility::Public, Some(Moderator)),
            group(Visibility::Public, Some(Member)),
            group(Visibility::Public, None),
            group(Visibility::Private, Some(Owner)),
            group(Visibility::Private, Some(Moderator)),
            group(Visibility::Private, Some(Member)),
            group(Visibility::Private, None),
            direct(Some(Member)),
            direct(None),
        ];
        //                                   public group      private group     direct
        //                                   own mod mem out   own mod mem out   mem out
        let table: &[(Action, &str)] = &[
            (Action::Read, "+++.+++.+."),
            (Action::Write, "+++.+++.+."),
            (Action::React, "+++.+++.+."),
            (Action::Edit { own: true }, "+++.+++.+."),
            (Action::Edit { own: false }, "fff.fff.f."),
            (Action::Delete { own: true }, "+++.+++.+."),
            (Action::Delete { own: false }, "++f.++f.f."),
            (Action::Join, "+++++++..."),
            (Action::Leave { last_owner: false }, "+++.+++..."),
            (Action::Leave { last_owner: true }, "c++.c++..."),
            (Action::EditGroup, "++f.++f..."),
            (Action::DeleteGroup, "+ff.+ff..."),
            (Action::Add { role: Member }, "++f.++f..."),
            (Action::Add { role: Moderator }, "+ff.+ff..."),
            (Action::Add { role: Owner }, "+ff.+ff..."),
            (Action::Remove { role: Member }, "++f.++f..."),
            (Action::Remove { role: Moderator }, "++f.++f..."),
            (Action::Remove { role: Owner }, "+ff.+ff..."),
            (Action::ChangeRole { orphans: false }, "+ff.+ff..."),
            (Action::ChangeRole { orphans: true }, "cff.cff..."),
        ];
        for (action, expected) in table {
            let found: String = callers.iter().map(|scene| mark(*scene, *action)).collect();
            assert_eq!(&found, expected, "{action:?}");
        }
    }
}
