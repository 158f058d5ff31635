//! Permissions in a circuit as a small set, the built-in roles, and the rule that nobody grants what they do not hold.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::words::words;

words! {
    /// What a member may do in a circuit.
    Permission, "permission" {
        /// Bring items in.
        Push = "push",
        /// Take a read right to items.
        Pull = "pull",
        /// Invite others.
        Invite = "invite",
        /// Add, remove and change members; approve what waits.
        ManageMembers = "manage_members",
        /// Change which permissions members hold.
        ManagePermissions = "manage_permissions",
        /// Make and change roles.
        ManageRoles = "manage_roles",
        /// Remove items, archive the circuit.
        Delete = "delete",
        /// Attest facts about items.
        Certify = "certify",
        /// Read activity and audit.
        Audit = "audit",
    }
}

/// A set of permissions. On the wire a list of words in the order of declaration.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u16);

impl Permissions {
    /// No permission.
    pub const NONE: Self = Self(0);
    /// Every permission.
    pub const ALL: Self = Self((1 << Permission::ALL.len()) - 1);

    /// The set of exactly these.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < permissions.len() {
            bits |= 1 << permissions[index] as u16;
            index += 1;
        }
        Self(bits)
    }

    /// The set with these bits, or `None` if a bit means nothing.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits, for a database column. The position of a permission never changes.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether the permission is in the set.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u16 != 0
    }

    /// Whether every permission of `other` is in the set.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The permissions in the set, in the order of declaration.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .iter()
            .copied()
            .filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions
            .into_iter()
            .fold(Self::NONE, |set, permission| set.union(Self::of(&[permission])))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Permission::as_str))
            .finish()
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Permission>::deserialize(deserializer).map(Self::from_iter)
    }
}

words! {
    /// The roles every circuit has.
    BuiltInRole, "circuit role" {
        /// Everything.
        Owner = "owner",
        /// Runs the circuit from day to day.
        Admin = "admin",
        /// Exchanges items.
        Member = "member",
        /// Receives items.
        Viewer = "viewer",
    }
}

impl BuiltInRole {
    /// What the role may do.
    #[must_use]
    pub const fn permissions(self) -> Permissions {
        use Permission::{Certify, Invite, ManageMembers, ManageRoles, Pull, Push};
        match self {
            Self::Owner => Permissions::ALL,
            Self::Admin => Permissions::of(&[Push, Pull, Invite, ManageMembers, ManageRoles, Certify]),
            Self::Member => Permissions::of(&[Push, Pull]),
            Self::Viewer => Permissions::of(&[Pull]),
        }
    }
}

/// Whether somebody who holds `holder` may give `wanted` to another: nobody grants what they do not hold.
///
/// Taking away follows the same rule, with what the other holds as `wanted`: nobody reaches above themselves.
#[must_use]
pub const fn can_grant(holder: Permissions, wanted: Permissions) -> bool {
    holder.contains_all(wanted)
}
