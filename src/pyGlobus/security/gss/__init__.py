"""x"""
from .contexts import SecurityContext
from .creds import Credentials
from .names import Name
from .oids import NameType, MechType
from .flags import RequirementFlag
