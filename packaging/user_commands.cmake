# Installs the commands with their modules, the Lua scripts and the manual pages of FROM below INTO,
# as "cmake --install" does below its prefix. Part of the target install-user.
#
# SPDX-License-Identifier: GPL-2.0-or-later
file(GLOB commands "${FROM}/packaging/commands/wirelat*")
file(GLOB scripts "${FROM}/lua/*.lua")
file(COPY ${commands} DESTINATION "${INTO}/share/wirelat")
file(COPY ${scripts} DESTINATION "${INTO}/share/wirelat/lua")
file(COPY "${FROM}/packaging/doc/wirelat.4" DESTINATION "${INTO}/share/man/man4")
file(COPY "${FROM}/packaging/doc/wirelat-plot.1" "${FROM}/packaging/doc/wirelat-report.1"
     DESTINATION "${INTO}/share/man/man1")
file(MAKE_DIRECTORY "${INTO}/bin")
foreach(command IN ITEMS wirelat-plot wirelat-report)
    file(CREATE_LINK "../share/wirelat/${command}" "${INTO}/bin/${command}" SYMBOLIC)
endforeach()
