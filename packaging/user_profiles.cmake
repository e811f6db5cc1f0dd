# Copies the profiles in FROM that the user does not have yet to INTO; a profile that is there may be
# changed, and is left alone. Part of the target install-user.
#
# SPDX-License-Identifier: GPL-2.0-or-later
file(GLOB profiles RELATIVE "${FROM}" "${FROM}/*")
foreach(profile IN LISTS profiles)
    if(EXISTS "${INTO}/${profile}")
        message("${INTO}/${profile} is there already: left as it is")
    else()
        file(COPY "${FROM}/${profile}" DESTINATION "${INTO}")
    endif()
endforeach()
